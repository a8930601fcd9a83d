package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// webhookSecret is what sender and receiver share in these tests.
const webhookSecret = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMgb2Ygd2ViaG9va3M="

// An alert is a webhook that the receiver took.
type alert struct {
	ID   string
	Type string
	Data struct {
		DAG   string `json:"dag_id"`
		Run   string `json:"run_id"`
		Task  string `json:"task_id"`
		Try   int    `json:"try_number"`
		Error string `json:"error"`
	}
}

// receiver is whoever is on call: an HTTP server that takes webhooks whose signature the scheme's own library verifies.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	taken []alert
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, err := io.ReadAll(req.Body)
		if err == nil {
			err = verifier.Verify(raw, req.Header)
		}
		a := alert{ID: req.Header.Get("webhook-id")}
		if err == nil {
			err = json.Unmarshal(raw, &a)
		}
		if err != nil {
			t.Errorf("a webhook that cannot be taken: %v: %s", err, raw)
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.ContainsFunc(r.taken, func(b alert) bool { return b.ID == a.ID }) { // else delivered once more
			r.taken = append(r.taken, a)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// of lists the alerts of a type, about a task ("" for the run itself).
func (r *receiver) of(kind, task string) []alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []alert
	for _, a := range r.taken {
		if a.Type == kind && a.Data.Task == task {
			list = append(list, a)
		}
	}
	return list
}
