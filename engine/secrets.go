package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/tidemill/tidemill/engine/secret"
)

// ErrSecret says that something that was to be kept contains a secret.
var ErrSecret = errors.New("it contains a secret")

// refuseSecret errs when a text that is to be kept contains a secret; what says which text it is. Where it is only told what happened,
// text is masked instead.
func refuseSecret(known *secret.Redactor, what, text string) error {
	name, found := known.Find(text)
	if !found {
		return nil
	}
	return Permanent(fmt.Errorf("%s: %w, %s, and is kept where everyone can read it: leave the secret out and load it where it is needed", what, ErrSecret, name))
}

// refuseSecrets errs when what a body leaves behind contains a secret: its output, what it attached to assets, or the question it asks.
func (r *Runtime) refuseSecrets(output []byte, err error, extras map[string][]byte) error {
	known := r.cfg.Secrets
	if known == nil {
		return nil
	}
	if suspended := (*suspendError)(nil); errors.As(err, &suspended) {
		if q := suspended.Question; q != nil {
			return refuseSecret(known, "its question", q.Text)
		}
		return nil
	}
	if err != nil {
		return nil
	}
	if err := refuseSecret(known, "its output", string(output)); err != nil {
		return err
	}
	for asset, extra := range extras {
		if err := refuseSecret(known, "what it attached to asset "+asset, string(extra)); err != nil {
			return err
		}
	}
	return nil
}

// masked is how an attempt ended, without the secrets that its texts contain.
func (r *Runtime) masked(e AttemptEnd) AttemptEnd {
	e.Error = r.cfg.Secrets.Mask(e.Error)
	if e.Suspend != nil && e.Suspend.On != nil {
		s, on := *e.Suspend, *e.Suspend.On
		on.Reason = r.cfg.Secrets.Mask(on.Reason)
		s.On = &on
		e.Suspend = &s
	}
	return e
}

// maskedNodes are virtual nodes without the secrets in their messages. A secret elsewhere in one is an error.
func (r *Runtime) maskedNodes(nodes []VirtualState) error {
	known := r.cfg.Secrets
	for i := range nodes {
		n := &nodes[i]
		n.Message = known.Mask(n.Message)
		for _, text := range append([]string{n.ID, string(n.Details)}, n.Upstream...) {
			if err := refuseSecret(known, "virtual node "+known.Mask(n.ID), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuseIn errs with an [InvalidError] when something that a person gave contains a secret.
func (c *Control) refuseIn(field, text string) error {
	if name, found := c.secrets.Find(text); found {
		return &InvalidError{Field: field, Message: "contains the secret " + name + ", and is kept where everyone can read it; leave it out"}
	}
	return nil
}

// WithSecrets makes the control refuse what contains one of these secrets, and returns it.
func (c *Control) WithSecrets(known *secret.Redactor) *Control {
	c.secrets = known
	return c
}

// checkSpecs refuses to register DAGs and streams that show secrets, in a doc text or an answer, say.
func (r *Runtime) checkSpecs(dags []DAGRecord, streams []*Stream) error {
	var errs []error
	check := func(what string, v any) {
		raw, err := json.Marshal(v)
		if err == nil {
			err = refuseSecret(r.cfg.Secrets, what, string(raw))
		}
		errs = append(errs, err)
	}
	for _, d := range dags {
		check("the definition of DAG "+d.ID, d.Spec)
	}
	for _, s := range streams {
		check("the definition of stream "+s.record.Name, s.record)
	}
	return errors.Join(errs...)
}

var secretValue = reflect.TypeFor[secret.Value]()

// secretIn is where in a type a secret is, such as "Login.Password"; found is false when there is none. What JSON leaves out is not looked at.
func secretIn(t reflect.Type, seen map[reflect.Type]bool) (where string, found bool) {
	if t == secretValue {
		return "", true
	}
	if seen[t] {
		return "", false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return secretIn(t.Elem(), seen)
	case reflect.Map:
		if where, found = secretIn(t.Key(), seen); found {
			return where, found
		}
		return secretIn(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Tag.Get("json") == "-" {
				continue
			}
			if where, found = secretIn(f.Type, seen); found {
				if where != "" {
					where = "." + where
				}
				return f.Name + where, true
			}
		}
	}
	return "", false
}
