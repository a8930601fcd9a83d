package live

import (
	"context"
	"net/http"
	"sync"
)

// A Gate ends streams when the server that serves them shuts down. The zero Gate is ready.
type Gate struct {
	once sync.Once
	done chan struct{}
}

// Context is the request's, and ends as well when [http.Server.Shutdown] is called on the server of the first request
// that came through the gate. The caller calls stop when the response is over.
func (g *Gate) Context(r *http.Request) (ctx context.Context, stop context.CancelFunc) {
	g.once.Do(func() {
		g.done = make(chan struct{})
		if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
			srv.RegisterOnShutdown(sync.OnceFunc(func() { close(g.done) }))
		}
	})
	ctx, cancel := context.WithCancel(r.Context())
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-g.done:
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
