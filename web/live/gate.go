package live

import (
	"context"
	"net/http"
	"sync"
)

// A Gate ends streams when the server that serves them shuts down; a handler may serve one server after another, or
// several at once. The zero Gate is ready.
type Gate struct {
	mu      sync.Mutex
	closing map[*http.Server]<-chan struct{} // closed when Shutdown is called on it
}

// Context is the request's, and ends as well when [http.Server.Shutdown] is called on the request's server. The caller
// calls stop when the response is over.
func (g *Gate) Context(r *http.Request) (ctx context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return ctx, cancel
	}
	closing := g.of(srv)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-closing:
			cancel()
		case <-quit:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		close(quit)
		<-ended
		cancel()
	})
}

func (g *Gate) of(srv *http.Server) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if closing, ok := g.closing[srv]; ok {
		return closing
	}
	if g.closing == nil {
		g.closing = map[*http.Server]<-chan struct{}{}
	}
	closing := make(chan struct{})
	g.closing[srv] = closing
	srv.RegisterOnShutdown(sync.OnceFunc(func() {
		close(closing) // and kept: a request that comes through while the server ends finds it closed
	}))
	return closing
}
