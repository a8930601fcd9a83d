package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
)

// TestATrialLeavesOutWhatTheRuntimeSaysOnly has a body and a callback write the words of the runtime's own lines.
func TestATrialLeavesOutWhatTheRuntimeSaysOnly(t *testing.T) {
	d := engine.New[engine.NoParams]("doors", engine.OnSuccess(func(ctx context.Context, _ engine.CallbackEvent) error {
		engine.Log(ctx).Info("left", "who", "callback")
		return nil
	}))
	engine.Sink(d.Run(), "count", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		engine.Log(ctx).Info("joined", "who", "body")
		return nil
	})
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_LOG_FORMAT": "json"}
	var out, log bytes.Buffer
	if code := run(t.Context(), []string{"dag", "test", "doors"}, &out, &log, func(name string) string { return env[name] }, DAGs(d)); code != exitDone {
		t.Fatalf("ended %d: %s", code, &log)
	}
	for _, line := range []string{`"msg":"joined"`, `"msg":"left"`} {
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("%s stands there %d times, not once: %s", line, n, &log)
		}
	}
	for _, who := range []string{`"who":"body"`, `"who":"callback"`} {
		if !strings.Contains(log.String(), who) {
			t.Errorf("%s is missing: %s", who, &log)
		}
	}
}
