package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	tokenAnnotation = "stanch.dev/token"
	// Somebody else wrote between our read and our write: looked at again this much later.
	afterConflict = 50 * time.Millisecond
)

// careful mitigates each incident exactly once. The incident may come from the cache: a stale one meets a 409 before anything is
// done. The target is read from the API server.
type careful struct {
	client client.Client
	live   client.Reader
}

func (c *careful) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	incident := newIncident()
	if err := c.client.Get(ctx, request.NamespacedName, incident); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if stateOf(incident) == done {
		return ctrl.Result{}, nil
	}
	return again(c.mitigate(ctx, incident))
}

func again(err error) (ctrl.Result, error) {
	if errors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	}
	return ctrl.Result{}, err
}

// mitigate stores the intent, acts, stores the result. An intent without a result is observed, not replayed.
func (c *careful) mitigate(ctx context.Context, incident *unstructured.Unstructured) error {
	if stateOf(incident) == "" {
		if err := c.record(ctx, incident, intended); err != nil {
			return err
		}
	}
	if err := c.act(ctx, incident); err != nil {
		return err
	}
	return c.record(ctx, incident, done)
}

func (c *careful) record(ctx context.Context, incident *unstructured.Unstructured, state string) error {
	patch, err := mergePatch(incident.GetResourceVersion(), object{"status": statusOf(incident, state)})
	if err != nil {
		return err
	}
	return c.client.Status().Patch(ctx, incident, patch)
}

// act changes the target unless the target shows the token: then it is done already.
func (c *careful) act(ctx context.Context, incident *unstructured.Unstructured) error {
	target, token := &corev1.ConfigMap{}, tokenOf(incident)
	if err := c.live.Get(ctx, targetOf(incident), target); err != nil {
		return err
	}
	if target.Annotations[tokenAnnotation] == token {
		return nil
	}
	change := object{"metadata": object{"annotations": object{tokenAnnotation: token}}, "data": object{"read-only": "true"}}
	patch, err := mergePatch(target.ResourceVersion, change)
	if err != nil {
		return err
	}
	return c.client.Patch(ctx, target, patch)
}
