// Projects beside which stanch is installed, and whose kinds it reads, writes or ships objects of: of each the CRDs, and no program.
module stanch.dev/tests/others

go 1.25.5

require (
	github.com/argoproj/argo-cd/v3 v3.2.6
	github.com/fluxcd/helm-controller v1.4.3
	github.com/fluxcd/kustomize-controller v1.7.3
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
