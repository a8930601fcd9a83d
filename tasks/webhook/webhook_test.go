package webhook_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/webhook"
)

func TestTheSchemesLibraryVerifiesWhatIsSent(t *testing.T) {
	secret, err := webhook.Secret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := engine.Message{EventID: uuid.New(), Type: engine.EventTaskFailed, At: time.Now().UTC(), Data: []byte(`{"dag_id":"d","error":"<boom>"}`)}
	var got struct {
		Type      string
		Timestamp time.Time
		Data      map[string]string
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Error(err)
		}
		if err := verifier.Verify(raw, r.Header); err != nil {
			t.Error(err)
		}
		if id := r.Header.Get("webhook-id"); id != m.EventID.String() {
			t.Errorf("webhook-id %s", id)
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	r, err := webhook.New(srv.URL, secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got.Type != m.Type || !got.Timestamp.Equal(m.At) || got.Data["error"] != "<boom>" {
		t.Errorf("received %+v", got)
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) }))
	address := strings.Replace(srv.URL, "http://", "http://user:hush@", 1) + "/path-hush?token=hush"
	r, err := webhook.New(address, "whsec_aHVzaGh1c2hodXNo", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	m := engine.Message{EventID: uuid.New(), Data: []byte("{}")}
	answered := r.Deliver(t.Context(), m)
	srv.Close()
	refused := r.Deliver(t.Context(), m)
	for _, err := range []error{answered, refused} {
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("error: %v", err)
		}
	}
	if !strings.Contains(answered.Error(), "418") {
		t.Errorf("the answer is not told: %v", answered)
	}
}

// Many servers tell in their answer which address they do not know.
func TestAnAnswerThatRepeatsTheAddressIsNotTold(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("say") {
		case "path":
			http.Error(w, "Cannot POST "+r.URL.EscapedPath(), http.StatusNotFound)
		case "late":
			http.Error(w, strings.Repeat("x", 190)+r.URL.Path, http.StatusNotFound)
		case "plain":
			http.Error(w, "no such hook: "+r.URL.Path, http.StatusNotFound)
		case "query":
			http.Error(w, "bad key "+r.URL.Query().Get("key"), http.StatusForbidden)
		case "user":
			user, password, _ := r.BasicAuth()
			http.Error(w, user+":"+password, http.StatusForbidden)
		default:
			http.Error(w, "invalid_payload", http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	deliver := func(say string) error {
		address := strings.Replace(srv.URL, "http://", "http://us%20hush:pw%2Fhush@", 1) + "/v1/tok%20hush/x?key=a%2Bhush&say=" + say
		r, err := webhook.New(address, "", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return r.Deliver(t.Context(), engine.Message{EventID: uuid.New(), Data: []byte("{}")})
	}
	for _, say := range []string{"path", "late", "plain", "query", "user"} {
		if err := deliver(say); err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "tok") || !strings.Contains(err.Error(), "40") {
			t.Errorf("%s: %v", say, err)
		}
	}
	if err := deliver("nothing"); err == nil || !strings.Contains(err.Error(), "400 Bad Request: invalid_payload") {
		t.Errorf("an answer without secrets: %v", err)
	}
}

// A secret that is not of the scheme's form would be another key to us than to its receivers.
func TestAMalformedSecretIsRefused(t *testing.T) {
	for _, secret := range []string{"hunter2", "whsec_", "whsec_!!!", "aHVzaGh1c2hodXNo"} {
		_, err := webhook.New("http://localhost/", secret, time.Now)
		if err == nil || !strings.Contains(err.Error(), "whsec_") || len(secret) > 6 && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v; want the form it must have, and not the secret", secret, err)
		}
	}
}
