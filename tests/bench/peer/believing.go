package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// believing takes the cache for the truth, and so does again what it did a moment ago. Each of its acts adds a key of its own to
// the target, so that they can be counted.
type believing struct {
	client client.Client
}

func (b *believing) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	incident := newIncident()
	if err := b.client.Get(ctx, request.NamespacedName, incident); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if stateOf(incident) == done {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, b.mitigate(ctx, incident)
}

func (b *believing) mitigate(ctx context.Context, incident *unstructured.Unstructured) error {
	if err := b.record(ctx, incident, intended); err != nil {
		return err
	}
	if err := b.act(ctx, incident); err != nil {
		return err
	}
	return b.record(ctx, incident, done)
}

func (b *believing) record(ctx context.Context, incident *unstructured.Unstructured, state string) error {
	patch, err := mergePatch("", object{"status": statusOf(incident, state)})
	if err != nil {
		return err
	}
	return b.client.Status().Patch(ctx, incident, patch)
}

func (b *believing) act(ctx context.Context, incident *unstructured.Unstructured) error {
	target := &corev1.ConfigMap{}
	if err := b.client.Get(ctx, targetOf(incident), target); err != nil {
		return err
	}
	key := fmt.Sprintf("read-only-%d", time.Now().UnixNano())
	patch, err := mergePatch("", object{"data": object{key: "true"}})
	if err != nil {
		return err
	}
	return b.client.Patch(ctx, target, patch)
}
