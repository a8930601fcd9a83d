package web

import (
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/web/api"
)

// maxRequest bounds the body of a request, in bytes; trigger params and outputs are far below it.
const maxRequest = 2 << 20

// policy lets pages use what this server serves and nothing else; data: is for the small pictures in the style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets what every answer carries.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// loopbackOnly refuses requests whose Host is no name of this machine's loopback. A page elsewhere can make its own name
// point here (DNS rebinding) and would then count as this site; its name gives it away.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			refuse(w, "this server answers on loopback only: open it as http://localhost or http://127.0.0.1")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// sameSite refuses requests that change something and come from a page of another site (CSRF). Programs, which send neither
// Sec-Fetch-Site nor Origin, pass.
func sameSite() func(http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, "a page of another site asked for this; only Tidemill's own pages may change something")
	}))
	return guard.Handler
}

func refuse(w http.ResponseWriter, why string) {
	api.WriteError(w, &api.Error{Status: http.StatusForbidden, Detail: why})
}

// nameable refuses paths that hold what no name can: U+0000 or bytes that are no UTF-8. PostgreSQL would refuse to look them up.
func nameable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.IndexByte(r.URL.Path, 0) >= 0 || !utf8.ValidString(r.URL.Path) {
			api.WriteError(w, &api.Error{Status: http.StatusNotFound, Detail: "there is nothing of this name: it is no text"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limited bounds what is read of a request's body.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		next.ServeHTTP(w, r)
	})
}

// recovered logs a panic and answers with 500, so that one request's fault does not end the process.
func recovered(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				p := recover()
				if p == nil {
					return
				}
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so as well
					panic(p) // net/http's own way to drop a connection
				}
				log.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				api.WriteError(w, &api.Error{Status: http.StatusInternalServerError, Detail: "something went wrong here; the server's log says what"})
			}()
			next.ServeHTTP(w, r)
		})
	}
}
