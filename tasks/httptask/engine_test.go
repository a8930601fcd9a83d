package httptask_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/httptask"
)

// The service sees that the second attempt is the first one again.
func TestAttemptsOfATaskHaveOneKey(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	keys := map[string][]string{}
	base := server(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys[r.URL.Path] = append(keys[r.URL.Path], r.Header.Get("Idempotency-Key")+r.Header.Get("X-Key"))
		if len(keys[r.URL.Path]) == 1 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	post := func(c *httptask.Client, path, part string, header http.Header) func(context.Context, engine.Run[engine.NoParams]) error {
		return httptask.Send(c, func(engine.Run[engine.NoParams]) httptask.Request {
			return httptask.Request{Method: http.MethodPost, URL: base + path, Part: part, Header: header}
		})
	}
	d := engine.New[engine.NoParams]("d")
	retry := engine.Retry{Max: 1}
	engine.Sink(d.Run(), "pay", post(&httptask.Client{}, "/pay", "", nil), retry)
	engine.Sink(d.Run(), "part", post(&httptask.Client{}, "/part", "two", nil), retry)
	engine.Sink(d.Run(), "own", post(&httptask.Client{}, "/own", "", http.Header{"idempotency-key": {"mine"}}), retry)
	engine.Sink(d.Run(), "none", post(&httptask.Client{KeyHeader: "-"}, "/none", "", nil), retry)
	engine.Sink(d.Run(), "other", post(&httptask.Client{KeyHeader: "X-Key"}, "/other", strings.Repeat("long", 100), nil), retry)
	engine.Sink(d.Run(), "get", httptask.Send(&httptask.Client{}, func(engine.Run[engine.NoParams]) httptask.Request { return httptask.Request{URL: base + "/get"} }), retry)
	o := enginetest.Run(t, d, nil)
	if o.Run.State != engine.RunSuccess {
		t.Fatalf("the run is %s: %+v", o.Run.State, o.Tasks)
	}
	pay := "d/" + o.Run.RunID + "/pay/-1"
	for path, want := range map[string]string{"/pay": pay, "/part": strings.Replace(pay, "pay", "part", 1) + "/two", "/own": "mine", "/none": "", "/get": ""} {
		if !slices.Equal(keys[path], []string{want, want}) {
			t.Errorf("%s: keys %q, want %q twice", path, keys[path], want)
		}
	}
	if k := keys["/other"]; len(k) != 2 || k[0] != k[1] || len(k[0]) != 64 {
		t.Errorf("a long key is sent as %q", k)
	}
}
