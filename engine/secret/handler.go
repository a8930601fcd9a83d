package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Handler hands records on to h with the secrets in them masked: in the message, in the names and values of attributes and in the names of
// groups. A value that contains one, of whatever type, becomes text. With a nil Redactor it is h.
func (r *Redactor) Handler(h slog.Handler) slog.Handler {
	if r == nil {
		return h
	}
	return handler{h, r}
}

type handler struct {
	next slog.Handler
	r    *Redactor
}

func (h handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

func (h handler) Handle(ctx context.Context, rec slog.Record) error {
	if h.r.index() == nil {
		return h.next.Handle(ctx, rec)
	}
	out := slog.NewRecord(rec.Time, rec.Level, h.r.Mask(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.r.attr(a))
		return true
	})
	return h.next.Handle(ctx, out)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.next.WithAttrs(h.r.attrs(attrs)), h.r}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.next.WithGroup(h.r.Mask(name)), h.r}
}

func (r *Redactor) attrs(in []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, len(in))
	for i, a := range in {
		out[i] = r.attr(a)
	}
	return out
}

func (r *Redactor) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = slog.StringValue(r.Mask(v.String()))
	case slog.KindGroup:
		v = slog.GroupValue(r.attrs(v.Group())...)
	case slog.KindAny, slog.KindInt64, slog.KindUint64, slog.KindFloat64:
		for _, text := range renderings(v.Any()) {
			if masked := r.Mask(text); masked != text {
				v = slog.StringValue(masked)
				break
			}
		}
	}
	return slog.Attr{Key: r.Mask(a.Key), Value: v}
}

// renderings are what handlers may write of a value.
func renderings(v any) []string {
	var out []string
	if err, ok := v.(error); ok {
		out = append(out, text(err.Error))
	}
	if raw, ok := v.([]byte); ok {
		out = append(out, string(raw))
	}
	return append(out, text(func() string {
		raw, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		return string(raw)
	}), fmt.Sprintf("%+v", v))
}

// text calls f, which is a method of whatever was logged and may panic, as slog's own handlers do.
func text(f func() string) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = fmt.Sprint("!PANIC: ", p)
		}
	}()
	return f()
}
