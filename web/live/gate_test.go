package live_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidemill/tidemill/web/live"
)

// TestAGateEndsTheStreamsOfTheServerThatEnds serves one handler on two servers, of which the first ends.
func TestAGateEndsTheStreamsOfTheServerThatEnds(t *testing.T) {
	var gate live.Gate
	begun, over := make(chan context.Context, 1), make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, stop := gate.Context(r)
		defer stop()
		begun <- ctx
		<-over
	})
	request := func(srv *httptest.Server) context.Context {
		t.Helper()
		go func() {
			if answer, err := srv.Client().Get(srv.URL); err == nil {
				_ = answer.Body.Close()
			}
		}()
		select {
		case ctx := <-begun:
			return ctx
		case <-time.After(10 * time.Second):
			t.Fatal("no request came through")
			return nil
		}
	}
	first, second := httptest.NewServer(h), httptest.NewServer(h)
	defer second.Close()
	defer first.Close()
	defer close(over)
	ended, other := request(first), request(second)
	go func() { _ = first.Config.Shutdown(context.WithoutCancel(t.Context())) }()
	select {
	case <-ended.Done():
	case <-time.After(10 * time.Second):
		t.Error("the stream of a server that ends goes on")
	}
	if other.Err() != nil || request(second).Err() != nil {
		t.Error("the stream of another server has ended too")
	}
}
