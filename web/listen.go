package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Times of the server.
const (
	readHeader = 10 * time.Second // a client that sends its headers slower is dropped
	idle       = 2 * time.Minute
	shutdown   = 3 * time.Second // requests that are still running then are cut off
)

// Listen opens a TCP listener on host:port. Anything but loopback is refused: there are no users and roles yet, and
// whoever could connect could do everything. The caller closes it, or hands it to [Serve].
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; give host:port, such as 127.0.0.1:8080", addr, err)
	}
	ips, err := net.LookupIP(host)
	if host == "" {
		ips, err = []net.IP{net.IPv4zero}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return nil, fmt.Errorf("listen on %q: %s is not loopback, and there is no authentication yet: use 127.0.0.1, ::1 or localhost, and a tunnel (ssh -L) from elsewhere", addr, ip)
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	return l, nil
}

// Serve answers requests on l with h until ctx ends; then it ends live connections, gives other requests 3 s and returns
// nil. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: readHeader, IdleTimeout: idle, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		log.Warn("requests were cut off", "error", err)
		_ = srv.Close() // what it could say is known
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	return nil
}
