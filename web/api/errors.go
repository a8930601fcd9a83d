package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

// An Error is an answer that is no success, in Airflow's shape: {"detail": …}, where detail is a text, or a list of
// [Problem] for a request that does not fit (422).
type Error struct {
	Status int `json:"-"`
	Detail any `json:"detail"`
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprint(e.Detail) }

// GetStatus is the HTTP status.
func (e *Error) GetStatus() int { return e.Status }

// A Problem is one thing wrong with a request, as FastAPI tells it.
type Problem struct {
	Loc   []any  `json:"loc"` // where: "body", "query" or "path", then names and indexes
	Msg   string `json:"msg"`
	Type  string `json:"type"`
	Input any    `json:"input,omitempty"`
}

func fail(status int, format string, args ...any) *Error {
	return &Error{status, fmt.Sprintf(format, args...)}
}

func invalid(msg string, input any, loc ...any) *Error {
	return &Error{http.StatusUnprocessableEntity, []Problem{{Loc: loc, Msg: msg, Type: "value_error", Input: input}}}
}

// StatusOf is the HTTP status of an error of the engine, and what to tell of it. It is the one place that decides this.
func StatusOf(err error) (status int, detail any) {
	var known *Error
	var bad *engine.InvalidError
	switch {
	case errors.As(err, &known):
		return known.Status, known.Detail
	case errors.As(err, &bad):
		return http.StatusUnprocessableEntity, problemsOf(err, "conf")
	case errors.Is(err, engine.ErrNotFound):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, engine.ErrConflict):
		return http.StatusConflict, err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "the database did not answer in time; try again"
	}
	return http.StatusInternalServerError, "something went wrong here; the server's log says what"
}

// problemsOf are all inputs that an error refuses. params is what the body calls the params.
func problemsOf(err error, params string) []Problem {
	if bad, ok := err.(*engine.InvalidError); ok { //nolint:errorlint // this one; those below are found further down
		kind := "value_error"
		if strings.HasPrefix(bad.Message, "is missing") {
			kind = "missing"
		}
		return []Problem{{Loc: bodyLoc(bad.Field, params), Msg: bad.Message, Type: kind}}
	}
	switch inner := err.(type) { //nolint:errorlint // the same
	case interface{ Unwrap() error }:
		return problemsOf(inner.Unwrap(), params)
	case interface{ Unwrap() []error }:
		var all []Problem
		for _, e := range inner.Unwrap() {
			all = append(all, problemsOf(e, params)...)
		}
		return all
	}
	return nil
}

// bodyLoc is where a field of the engine stands in a body.
func bodyLoc(field, params string) []any {
	loc := []any{"body"}
	for i, part := range strings.Split(field, ".") {
		n, err := strconv.Atoi(part)
		switch {
		case i == 0 && part == "params":
			loc = append(loc, params)
		case i > 0 && err == nil:
			loc = append(loc, n)
		default:
			loc = append(loc, part)
		}
	}
	return loc
}

// failed turns an error into an answer and logs what is no fault of the client.
func (s *server) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	status, detail := StatusOf(err)
	if status >= 500 && ctx.Err() == nil {
		s.Log.LogAttrs(ctx, slog.LevelError, "an API call failed", slog.Any("error", err))
	}
	return &Error{status, detail}
}

// airflowErrors gives huma's own errors Airflow's shape.
func airflowErrors(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	ctx.SetHeader("Content-Type", "application/json")
	if m.Status == http.StatusUnsupportedMediaType || len(m.Errors) == 1 && strings.Contains(m.Errors[0].Message, "unknown content type") {
		return &Error{http.StatusUnsupportedMediaType, "send the body as JSON, with Content-Type: application/json"}, nil
	}
	if m.Status == http.StatusBadRequest && m.Detail == "request body is required" {
		return &Error{m.Status, []Problem{{Loc: []any{"body"}, Msg: "Field required", Type: "missing"}}}, nil
	}
	if len(m.Errors) == 0 {
		return &Error{m.Status, m.Detail}, nil
	}
	problems := make([]Problem, 0, len(m.Errors))
	for _, e := range m.Errors {
		problems = append(problems, Problem{Loc: location(e.Location), Msg: e.Message, Type: problemType(e.Message), Input: shortened(e.Value)})
	}
	return &Error{m.Status, problems}, nil
}

var indexPattern = regexp.MustCompile(`\[(\d+)\]`)

// location turns huma's "body.tasks[3].id" into FastAPI's ["body", "tasks", 3, "id"].
func location(l string) []any {
	var loc []any
	for _, part := range strings.Split(indexPattern.ReplaceAllString(l, ".$1"), ".") {
		if n, err := strconv.Atoi(part); err == nil {
			loc = append(loc, n)
		} else if part != "" {
			loc = append(loc, part)
		}
	}
	return loc
}

func problemType(msg string) string {
	switch {
	case strings.Contains(msg, "required"):
		return "missing"
	case strings.Contains(msg, "unexpected property"), strings.Contains(msg, "unknown query parameter"):
		return "extra_forbidden"
	case strings.Contains(msg, "invalid character"), strings.Contains(msg, "unexpected end of JSON"):
		return "json_invalid"
	}
	return "value_error"
}

// shortened keeps answers small: what was sent is told only where it is short.
func shortened(v any) any {
	if s, ok := v.(string); ok && len(s) > 200 {
		return nil
	}
	switch v.(type) {
	case map[string]any, []any:
		return nil
	}
	return v
}
