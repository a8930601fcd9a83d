package httptask_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/httptask"
)

func server(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

type rate struct {
	Currency string  `json:"currency"`
	Rate     float64 `json:"rate"`
}

func TestARequestIsSentAsWritten(t *testing.T) {
	t.Parallel()
	var got struct {
		Method, Path, Query, Type, Agent, Auth, Host string
		Body                                         map[string]int
	}
	base := server(t, func(w http.ResponseWriter, r *http.Request) {
		got.Method, got.Path, got.Query, got.Host = r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host
		got.Type, got.Agent, got.Auth = r.Header.Get("Content-Type"), r.Header.Get("User-Agent"), r.Header.Get("Authorization")
		if err := json.NewDecoder(r.Body).Decode(&got.Body); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, `{"currency": "CHF", "rate": 0.5, "more": true}`)
	})
	c := &httptask.Client{
		Base:      base + "/v1/",
		Header:    http.Header{"User-Agent": {"mine"}, "Host": {"rates.test"}},
		Authorize: func(_ context.Context, r *http.Request) error { r.Header.Set("Authorization", "Bearer x"); return nil },
	}
	body := httptask.JSON[rate](c, func(day string) httptask.Request {
		return httptask.Request{Method: "POST", URL: "/rates/" + url.PathEscape("a/b") + "?x=1&y=1", Query: url.Values{"day": {day}, "y": {"2"}}, JSON: map[string]int{"n": 1}}
	})
	out, err := body(t.Context(), "2024-01-05")
	if err != nil || out != (rate{"CHF", 0.5}) {
		t.Fatalf("%+v, %v", out, err)
	}
	want := got
	want.Method, want.Path, want.Query, want.Host, want.Type, want.Agent, want.Auth, want.Body = "POST", "/v1/rates/a%2Fb", "day=2024-01-05&x=1&y=2", "rates.test", "application/json", "mine", "Bearer x", map[string]int{"n": 1}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the service got %+v", got)
	}
}

func TestHowAnswersEndAnAttempt(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 5, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		status  int
		after   string
		expect  []int
		ok      bool
		forGood bool
		wait    time.Duration // −1: the task's own
	}{
		{status: 200, ok: true, wait: -1},
		{status: 204, ok: true, wait: -1},
		{status: 201, expect: []int{200}, forGood: true, wait: -1},
		{status: 404, expect: []int{200, 404}, ok: true, wait: -1},
		{status: 304, forGood: true, wait: -1},
		{status: 400, forGood: true, wait: -1},
		{status: 401, forGood: true, wait: -1},
		{status: 404, after: "5", forGood: true, wait: -1},
		{status: 408, wait: -1},
		{status: 425, wait: -1},
		{status: 429, wait: -1},
		{status: 429, after: "0", wait: 0},
		{status: 429, after: "120", wait: 2 * time.Minute},
		{status: 429, after: "Fri, 05 Jan 2024 12:00:30 GMT", wait: 30 * time.Second},
		{status: 429, after: "Friday, 05-Jan-24 12:00:30 GMT", wait: 30 * time.Second}, // RFC 850, which is obsolete and sent
		{status: 429, after: "Fri, 05 Jan 2024 11:00:00 GMT", wait: 0},
		{status: 429, after: "99999999999999999999", wait: httptask.DefaultMaxWait},
		{status: 429, after: "soon", wait: -1},
		{status: 429, after: "-5", wait: -1},
		{status: 429, after: "1.5", wait: -1},
		{status: 500, wait: -1},
		{status: 503, after: "7200", wait: httptask.DefaultMaxWait},
		{status: 503, after: "60", wait: time.Minute},
		{status: 599, wait: -1},
		{status: 600, forGood: true, wait: -1},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.after), func(t *testing.T) {
			t.Parallel()
			base := server(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.WriteHeader(c.status)
			})
			client := &httptask.Client{Now: func() time.Time { return now }}
			err := httptask.Send(client, func(u string) httptask.Request { return httptask.Request{URL: u, Expect: c.expect} })(t.Context(), base)
			if c.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			status, typed := errors.AsType[*httptask.StatusError](err)
			_, forGood := errors.AsType[*engine.PermanentError](err)
			if !typed || status.Status != c.status || forGood != c.forGood {
				t.Fatalf("permanent %v: %v", forGood, err)
			}
			wait := time.Duration(-1)
			if after, ok := errors.AsType[*engine.RetryAfterError](err); ok {
				wait = after.Delay
			}
			if wait != c.wait {
				t.Errorf("it is tried again after %s, want %s", wait, c.wait)
			}
		})
	}
}

func TestAnswersThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind, body, want string }{
		{"a page", "text/html; charset=utf-8", "<html> no </html>", "its answer (text/html) is not JSON that fits *httptask_test.rate"},
		{"another type", "application/json", `{"rate": "high"}`, "rate"},
		{"none", "application/json", "", "use Send"},
		{"more after it", "application/json", `{} {}`, "not JSON"},
		{"too long", "application/json", strings.Repeat(" ", 101), "longer than 100 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := server(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				fmt.Fprint(w, c.body)
			})
			_, err := httptask.JSON[rate](&httptask.Client{MaxAnswer: 100}, func(u string) httptask.Request { return httptask.Request{URL: u} })(t.Context(), base)
			_, forGood := errors.AsType[*engine.PermanentError](err)
			if err == nil || !strings.Contains(err.Error(), c.want) || !forGood {
				t.Errorf("permanent %v: %v", forGood, err)
			}
		})
	}
}

func TestRequestsThatCannotBeSentNameTheFix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		client httptask.Client
		r      httptask.Request
		want   string
	}{
		{"no host", httptask.Client{}, httptask.Request{URL: "/x"}, "must have a Base"},
		{"no scheme", httptask.Client{}, httptask.Request{URL: "localhost:80/x"}, "begin it with http://"},
		{"other scheme", httptask.Client{}, httptask.Request{URL: "ftp://canary@h/?a=canary"}, `"ftp://h/?a=…": it must be http://`},
		{"no address", httptask.Client{}, httptask.Request{URL: "http://h/%zz?t=canary"}, "url.PathEscape"},
		{"base", httptask.Client{Base: "http://h/?t=canary"}, httptask.Request{URL: "/x"}, "Base of its client"},
		{"method", httptask.Client{}, httptask.Request{Method: "GE T", URL: "http://h/"}, `method "GE T"`},
		{"two bodies", httptask.Client{}, httptask.Request{URL: "http://h/", JSON: 1, Body: []byte("1")}, "keep one"},
		{"no JSON", httptask.Client{}, httptask.Request{URL: "http://h/", JSON: func() {}}, "encode its body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.client.Do(t.Context(), c.r)
			_, forGood := errors.AsType[*engine.PermanentError](err)
			if err == nil || !strings.Contains(err.Error(), c.want) || !forGood || strings.Contains(err.Error(), "canary") {
				t.Errorf("permanent %v: %v", forGood, err)
			}
		})
	}
}

func TestSecretsAreShownNowhere(t *testing.T) {
	t.Parallel()
	echo := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, r.URL.String(), " ", r.Header)
	})
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, base := range map[string]string{"answered": echo, "refused": gone.URL} {
		c := &httptask.Client{
			Base:      strings.Replace(base, "http://", "http://user:canary-password@", 1),
			Header:    http.Header{"x-api-key": {"canary-header"}},
			Authorize: func(_ context.Context, r *http.Request) error { r.Header.Set("X-More", "canary-authorize"); return nil },
			Secrets:   []string{"canary/path"},
		}
		_, err := c.Do(t.Context(), httptask.Request{
			URL: "/hook/" + url.PathEscape("canary/path"), Query: url.Values{"access_token": {"canary-query"}, "day": {"monday"}},
			Header: http.Header{"Authorization": {"Bearer canary-bearer"}},
		})
		if err == nil {
			t.Fatal("no error")
		}
		for where, text := range map[string]string{"error": err.Error(), "log": logged.String()} {
			if strings.Contains(text, "canary") {
				t.Errorf("%s: a secret is in the %s: %s", name, where, text)
			}
		}
		if !strings.Contains(err.Error(), "/hook/*****?access_token=…&day=…") {
			t.Errorf("%s: the address is not told: %v", name, err)
		}
		if name == "answered" && !strings.Contains(err.Error(), "day=monday") {
			t.Errorf("what the service said is not told: %v", err)
		}
	}
}

func TestRedirections(t *testing.T) {
	t.Parallel()
	other := server(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("the other service was sent %s", r.Header) })
	base := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/keep":
			http.Redirect(w, r, "/there", http.StatusPermanentRedirect)
		case "/away":
			http.Redirect(w, r, other+"/x?token=canary", http.StatusTemporaryRedirect)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/there":
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, "%s %s", r.Method, body)
		}
	})
	for _, c := range []struct{ method, path, answer, err string }{
		{"GET", "/here", "GET ", ""},
		{"POST", "/keep", "POST hello", ""},
		{"POST", "/here", "", "302 Found: it has moved to " + base + "/there, where we do not follow"},
		{"POST", "/away", "", "it has moved to " + other + "/x?token=…"},
		{"GET", "/away", "", "it has moved"},
		{"GET", "/round", "", "it has moved"},
	} {
		r := httptask.Request{Method: c.method, URL: c.path}
		if c.method == "POST" {
			r.Body = []byte("hello")
		}
		a, err := (&httptask.Client{Base: base, Header: http.Header{"X-Key": {"secret"}}}).Do(t.Context(), r)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s %s: %v", c.method, c.path, err)
			}
			continue
		}
		if err != nil || string(a.Body) != c.answer {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
}

func TestASlowAnswerIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	base := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			fmt.Fprint(w, "{")
			w.(http.Flusher).Flush()
		}
		<-done
	})
	defer close(done)
	for _, path := range []string{"/header", "/body"} {
		_, err := (&httptask.Client{Base: base, Timeout: 20 * time.Millisecond}).Do(t.Context(), httptask.Request{URL: path})
		_, forGood := errors.AsType[*engine.PermanentError](err)
		if err == nil || !strings.Contains(err.Error(), "within 20ms: raise the client's Timeout") || forGood {
			t.Errorf("%s: %v", path, err)
		}
	}
	why := errors.New("the reason of the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := (&httptask.Client{Base: base}).Do(ctx, httptask.Request{}); !errors.Is(err, why) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestCredentialsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	why := errors.New("the vault is sealed")
	c := &httptask.Client{Base: "http://h", Authorize: func(context.Context, *http.Request) error { return why }}
	if _, err := c.Do(t.Context(), httptask.Request{}); !errors.Is(err, why) || !strings.Contains(err.Error(), "get its credentials") {
		t.Error(err)
	}
}
