// Package webhook sends the engine's events to an HTTP receiver, signed by the Standard Webhooks scheme
// (https://www.standardwebhooks.com): headers webhook-id, webhook-timestamp and webhook-signature, body {"type", "timestamp", "data"}.
// The engine's outbox decides when to send again; webhook-id is the same each time.
package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/tidemill/tidemill/engine"
)

// timeout bounds one delivery.
const timeout = 15 * time.Second

const (
	maxAnswer = 64 << 10 // what is read of an answer, in bytes, to see whether it repeats a secret
	maxTold   = 200      // what an error tells of it
)

// A Receiver is where webhooks go.
type Receiver struct {
	address *url.URL
	secrets []string                  // parts of the address that no error may hold
	sign    *standardwebhooks.Webhook // nil: unsigned
	client  *http.Client
	now     func() time.Time
}

// New makes a receiver. secret is "whsec_" and base64, as receivers of the scheme have it; "" sends without a signature. Anything else is
// refused: receivers would take it for another key. now is the clock of webhook-timestamp.
func New(address, secret string, now func() time.Time) (*Receiver, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the webhook URL must be http:// or https:// and name a host")
	}
	r := &Receiver{address: u, secrets: secretsOf(u), now: now, client: &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if secret == "" {
		return r, nil
	}
	key, marked := strings.CutPrefix(secret, "whsec_")
	if raw, err := base64.StdEncoding.DecodeString(key); !marked || err != nil || len(raw) == 0 {
		return nil, errors.New("the webhook secret must be whsec_ and base64, as `echo whsec_$(openssl rand -base64 24)` makes one")
	}
	if r.sign, err = standardwebhooks.NewWebhook(secret); err != nil {
		return nil, errors.New("the webhook secret cannot be used: give whsec_ and base64")
	}
	return r, nil
}

// Place is the receiver for people: scheme and host, without what may be secret in path, query or user.
func (r *Receiver) Place() string { return r.address.Scheme + "://" + r.address.Host }

// body is what is sent.
type body struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// Deliver sends a message; it is an engine.DeliverFunc. Any answer but 2xx is an error, which holds no secret.
func (r *Receiver) Deliver(ctx context.Context, m engine.Message) error {
	payload, err := json.Marshal(body{Type: m.Type, Timestamp: m.At, Data: m.Data})
	if err != nil {
		return fmt.Errorf("encode webhook: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.address.String(), bytes.NewReader(payload))
	if err != nil {
		return errors.New("make the webhook's request")
	}
	now, id := r.now(), m.EventID.String()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tidemill")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(now.Unix()))
	if r.sign != nil {
		signature, err := r.sign.Sign(id, now, payload)
		if err != nil {
			return errors.New("sign the webhook")
		}
		req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL
		}
		return fmt.Errorf("send webhook to %s: %w", r.Place(), err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing is written through it
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		answer = nil
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("send webhook to %s: it answered %d %s: %s", r.Place(), resp.StatusCode, http.StatusText(resp.StatusCode), r.tell(string(answer)))
	}
	return nil
}

// Secret makes a new signing secret from 24 random bytes, as receivers of the scheme have it.
func Secret(random io.Reader) (string, error) {
	key := make([]byte, 24)
	if _, err := io.ReadFull(random, key); err != nil {
		return "", fmt.Errorf("make a webhook secret: %w", err)
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(key), nil
}
