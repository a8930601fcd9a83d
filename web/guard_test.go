package web_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
)

func TestListenRefusesWhatIsNotLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		if l, err := web.Listen(addr); err == nil {
			t.Errorf("%s was listened on", addr)
			_ = l.Close()
		} else if !strings.Contains(err.Error(), "not loopback") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if _, err := web.Listen("8080"); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("an address without a port: %v", err)
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		l, err := web.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}

func TestGuards(t *testing.T) {
	base, _ := shown(t)
	for _, c := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"another host name (DNS rebinding)", "GET", "/", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"another host name that begins like ours", "GET", "/", func(r *http.Request) { r.Host = "localhost.evil.example" }, 403},
		{"an address that is not loopback", "GET", "/", func(r *http.Request) { r.Host = "10.0.0.1:8080" }, 403},
		{"localhost", "GET", "/", func(r *http.Request) { r.Host = "localhost:8080" }, 200},
		{"loopback of IPv6", "GET", "/", func(r *http.Request) { r.Host = "[::1]:8080" }, 200},
		{"a form on another site", "POST", "/dags/daily_transactions/pause", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"a form on another port", "POST", "/dags/daily_transactions/pause", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"a script of another site", "PATCH", "/api/v2/dags/daily_transactions", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"a page in a sandbox", "POST", "/dags/daily_transactions/pause", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"our own form", "POST", "/dags/daily_transactions/pause", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 303},
		{"a program", "POST", "/dags/daily_transactions/pause", func(*http.Request) {}, 303},
		{"a link from another site", "GET", "/dags/daily_transactions", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.change(req)
		if _, r := do(t, req); r.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.name, r.Status, c.want)
		}
	}
	_, r := get(t, base+"/")
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("content security policy: %q", policy)
	}
	for _, h := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy"} {
		if r.Header.Get(h) == "" {
			t.Errorf("%s is missing", h)
		}
	}
}

func TestProbes(t *testing.T) {
	control, store := empty(t)
	down := errors.New("dial postgres://user:hunter2@db")
	var state error
	base := serve(t, web.Config{Control: control, Store: store, Ready: func(context.Context) error { return state }})
	if body, r := get(t, base+"/readyz"); r.StatusCode != 200 || body != "ok\n" {
		t.Errorf("ready: %s %q", r.Status, body)
	}
	state = down
	if body, r := get(t, base+"/readyz"); r.StatusCode != 503 || strings.Contains(body, "hunter2") {
		t.Errorf("not ready: %s %q", r.Status, body)
	}
	if _, r := get(t, base+"/healthz"); r.StatusCode != 200 {
		t.Errorf("alive: %s", r.Status)
	}
}

func empty(t *testing.T) (*engine.Control, engine.Store) {
	t.Helper()
	catalog, err := engine.Compile()
	if err != nil {
		t.Fatal(err)
	}
	store := enginetest.NewStore(quartz.NewReal())
	return engine.NewControl(store, catalog, ""), store
}

// TestAnEmptyHouse opens the pages when there is nothing at all.
func TestAnEmptyHouse(t *testing.T) {
	control, store := empty(t)
	base := serve(t, web.Config{Control: control, Store: store})
	for path, want := range map[string]string{"/": "No DAG is registered", "/streams": "There is no stream", "/backfills": "There is none", "/api/v2/dags": `{"dags":[],"total_entries":0}`} {
		if body, _ := get(t, base+path); !strings.Contains(body, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	if body, _ := get(t, base+"/"); !strings.Contains(body, "no worker process is alive") {
		t.Error("nothing says that there is no worker")
	}
}

// TestServerEndsWithOpenStreams ends a server to which live pages, events and a wait are connected.
func TestServerEndsWithOpenStreams(t *testing.T) {
	control, store := func() (*engine.Control, engine.Store) {
		clock := quartz.NewReal()
		s := enginetest.NewStore(clock)
		c, err := engine.Compile()
		if err != nil {
			t.Fatal(err)
		}
		return engine.NewControl(s, c, ""), s
	}()
	h, err := web.New(web.Config{Control: control, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	l, err := web.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	for _, path := range []string{"/api/v2/events", "/live?page=/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		if r.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
			t.Errorf("%s is %s", path, r.Header.Get("Content-Type"))
		}
	}
	started := time.Now()
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not end")
	}
	if d := time.Since(started); d > 2500*time.Millisecond {
		t.Errorf("it took %s: the streams were cut off, not ended", d)
	}
}

// nextEvent reads one server-sent event.
func nextEvent(t *testing.T, b *bufio.Reader) (event, data string) {
	t.Helper()
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" && event != "":
			return event, data
		case strings.HasPrefix(line, "event: "):
			event = line[7:]
		case strings.HasPrefix(line, "data: "):
			data += line[6:] + "\n"
		}
	}
}
