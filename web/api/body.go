package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// validJSON refuses a JSON body that is none with 422, as FastAPI does, and one that is too large with 413.
func validJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			WriteError(w, fail(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody))
			return
		case err != nil:
			WriteError(w, fail(http.StatusBadRequest, "the body could not be read: %v", err))
			return
		}
		if len(body) > 0 {
			var doc json.RawMessage
			if err := json.Unmarshal(body, &doc); err != nil {
				WriteError(w, &Error{http.StatusUnprocessableEntity, []Problem{{Loc: []any{"body"}, Msg: "JSON decode error: " + err.Error(), Type: "json_invalid"}}})
				return
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}
