package main

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var about = client.ObjectKey{Namespace: "here", Name: "it"}

// stale is a client whose cache has not heard of anything since the Incident was read.
type stale struct {
	client.Client
	incident *unstructured.Unstructured
}

func (s *stale) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if incident, is := into.(*unstructured.Unstructured); is {
		s.incident.DeepCopyInto(incident)
		return nil
	}
	return s.Client.Get(ctx, key, into, options...)
}

func world(t *testing.T) (client.Client, *unstructured.Unstructured) {
	t.Helper()
	incident := newIncident()
	incident.SetNamespace(about.Namespace)
	incident.SetName(about.Name)
	incident.SetUID("u-1")
	incident.Object["spec"] = object{"component": "settings"}
	target := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: about.Namespace, Name: "settings"}}
	made := fake.NewClientBuilder().WithObjects(incident, target).WithStatusSubresource(newIncident()).Build()
	return made, read(t, made)
}

func read(t *testing.T, from client.Client) *unstructured.Unstructured {
	t.Helper()
	incident := newIncident()
	must(t, from.Get(context.Background(), about, incident))
	return incident
}

func target(t *testing.T, from client.Client) *corev1.ConfigMap {
	t.Helper()
	found := &corev1.ConfigMap{}
	must(t, from.Get(context.Background(), client.ObjectKey{Namespace: about.Namespace, Name: "settings"}, found))
	return found
}

func once(t *testing.T, reconciler reconcile.Reconciler) {
	t.Helper()
	_, err := reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: about})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCarefulMitigatesAndRecords(t *testing.T) {
	api, _ := world(t)
	once(t, &careful{client: api, live: api})
	if found := target(t, api); found.Data["read-only"] != "true" || found.Annotations[tokenAnnotation] != "u-1/1/read-only/switch" {
		t.Fatalf("not mitigated: %v", found)
	}
	if state := stateOf(read(t, api)); state != done {
		t.Fatalf("recorded as %q", state)
	}
}

func TestCarefulObservesAnIntentWithoutAResult(t *testing.T) {
	api, before := world(t)
	mitigated := &careful{client: api, live: api}
	must(t, mitigated.record(context.Background(), before, intended))
	must(t, mitigated.act(context.Background(), before))
	version := target(t, api).ResourceVersion
	once(t, mitigated)
	if target(t, api).ResourceVersion != version || stateOf(read(t, api)) != done {
		t.Fatal("it was written again, or not recorded")
	}
}

// The fake API server takes a status of whatever version: what holds here is the token alone.
func TestCarefulDoesNotActTwiceOnAStaleCache(t *testing.T) {
	api, before := world(t)
	once(t, &careful{client: api, live: api})
	version := target(t, api).ResourceVersion
	once(t, &careful{client: &stale{api, before}, live: api})
	if target(t, api).ResourceVersion != version {
		t.Fatal("it acted again")
	}
}

func TestAWriteAgainstAnOldVersionIsRefused(t *testing.T) {
	api, _ := world(t)
	patch, err := mergePatch(target(t, api).ResourceVersion, object{"data": object{"read-only": "by somebody"}})
	must(t, err)
	must(t, api.Patch(context.Background(), target(t, api), patch))
	if err := api.Patch(context.Background(), target(t, api), patch); !errors.IsConflict(err) {
		t.Fatalf("no conflict: %v", err)
	}
}

func TestBelievingDoublesOnAStaleCacheAndItCanBeCounted(t *testing.T) {
	api, before := world(t)
	once(t, &believing{client: api})
	once(t, &believing{client: &stale{api, before}})
	if found := target(t, api); len(found.Data) != 2 {
		t.Fatalf("counted %d", len(found.Data))
	}
}
