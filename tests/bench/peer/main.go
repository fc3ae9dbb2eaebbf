// Command peer is a minimal operator of the same promises as stanch: for each open Incident it stores its intent, acts once, and
// stores the result, each by compare-and-swap on the resourceVersion, and the act carries a token by which it is known again.
//
// With -naive it is what is often written instead: it believes its cache and writes without asking.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

type settings struct {
	kubeconfig string
	namespace  string
	workers    int
	naive      bool
}

func main() {
	var told settings
	flag.StringVar(&told.kubeconfig, "as", "", "path of the kubeconfig to use")
	flag.StringVar(&told.namespace, "namespace", "", "namespace whose Incidents are mitigated")
	flag.IntVar(&told.workers, "workers", 16, "Incidents that are worked on at the same time")
	flag.BoolVar(&told.naive, "naive", false, "believe the cache: no resourceVersion, no token")
	flag.Parse()
	if err := run(told); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(told settings) error {
	ctrl.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", told.kubeconfig)
	if err != nil {
		return err
	}
	operator, err := build(unthrottled(config), told)
	if err != nil {
		return err
	}
	return operator.Start(ctrl.SetupSignalHandler())
}

// unthrottled leaves it to the API server how much is too much, as stanch does.
func unthrottled(config *rest.Config) *rest.Config {
	config.QPS = -1
	return config
}

func build(config *rest.Config, told settings) (manager.Manager, error) {
	operator, err := ctrl.NewManager(config, manager.Options{
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{told.namespace: {}}},
	})
	if err != nil {
		return nil, err
	}
	err = ctrl.NewControllerManagedBy(operator).
		Named("peer").
		For(newIncident()).
		WithOptions(controller.Options{MaxConcurrentReconciles: told.workers}).
		Complete(mitigator(operator, told.naive))
	if err != nil {
		return nil, err
	}
	return operator, operator.Add(manager.RunnableFunc(sayWatching))
}

func mitigator(operator manager.Manager, naive bool) reconcile.Reconciler {
	if naive {
		return &believing{client: operator.GetClient()}
	}
	return &careful{client: operator.GetClient(), live: operator.GetAPIReader()}
}

// sayWatching is run once the caches are filled.
func sayWatching(context.Context) error {
	fmt.Fprintln(os.Stderr, "peer: watching")
	return nil
}
