package cli

import (
	"context"
	"log/slog"
	"reflect"
	"runtime"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// withoutEngine leaves out of a log what package engine itself has to say below a warning: in a trial it is no news that a runtime comes
// and goes. It tells by where a record was written, so that nothing that a body or a callback writes is ever taken for it.
type withoutEngine struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withoutEngine) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && inEngine(r.PC) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h withoutEngine) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutEngine{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withoutEngine) WithGroup(name string) slog.Handler {
	return withoutEngine{h.Handler.WithGroup(name)}
}

var enginePackage = reflect.TypeFor[engine.Runtime]().PkgPath() + "."

// inEngine says whether a place in the program is in package engine.
func inEngine(pc uintptr) bool {
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return strings.HasPrefix(f.Function, enginePackage)
}
