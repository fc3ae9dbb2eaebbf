package main

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The states of a step, as stanch's status has them.
const (
	intended = "Intended"
	done     = "Done"
)

// The one option and step that the playbook of the measurement has.
const (
	optionName = "read-only"
	stepName   = "switch"
)

type object = map[string]any

func newIncident() *unstructured.Unstructured {
	incident := &unstructured.Unstructured{}
	incident.SetGroupVersionKind(schema.GroupVersionKind{Group: "stanch.dev", Version: "v1alpha1", Kind: "Incident"})
	return incident
}

// stateOf is the state of the step; empty before its intent is stored.
func stateOf(incident *unstructured.Unstructured) string {
	steps, _, _ := unstructured.NestedSlice(incident.Object, "status", "steps")
	if len(steps) == 0 {
		return ""
	}
	step, _ := steps[0].(object)
	state, _ := step["state"].(string)
	return state
}

// targetOf names the ConfigMap that the incident is about: its component.
func targetOf(incident *unstructured.Unstructured) types.NamespacedName {
	component, _, _ := unstructured.NestedString(incident.Object, "spec", "component")
	return types.NamespacedName{Namespace: incident.GetNamespace(), Name: component}
}

// tokenOf follows from the incident and the step, never from the clock: the same after a crash.
func tokenOf(incident *unstructured.Unstructured) string {
	return fmt.Sprintf("%s/1/%s/%s", incident.GetUID(), optionName, stepName)
}

// statusOf is what the incident's status says of a step in this state.
func statusOf(incident *unstructured.Unstructured, state string) object {
	phase := map[string]string{intended: "Mitigating", done: "Resolved"}[state]
	step := object{"option": optionName, "name": stepName, "state": state, "token": tokenOf(incident)}
	return object{"phase": phase, "steps": []any{step}}
}

// mergePatch as it is sent; with a version it is a compare-and-swap: the API server answers 409 where the object has another one.
func mergePatch(version string, body object) (client.Patch, error) {
	if version != "" {
		metadata, _ := body["metadata"].(object)
		if metadata == nil {
			metadata = object{}
		}
		metadata["resourceVersion"] = version
		body["metadata"] = metadata
	}
	text, err := json.Marshal(body)
	return client.RawPatch(types.MergePatchType, text), err
}
