package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine/settings"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
)

func TestMissingSettingsAreToldAtTheStart(t *testing.T) {
	source := settings.New(settings.Env("TIDEMILL_TEST_MISSING_"))
	settings.Of[canarySettings](source)
	settings.Of[struct {
		Region string `setting:"REGION,required" doc:"where it runs"`
	}](source)
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_DATABASE_URL": testkit.Migrated(t, migrations.Engine), "TIDEMILL_LISTEN": "127.0.0.1:0"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for command, want := range map[string]int{"serve": exitUsage, "worker": exitUsage, "doctor": exitFailed} {
		var out bytes.Buffer
		if code := run(ctx, []string{command}, &out, &out, func(name string) string { return env[name] }, ownProgram(), Settings(source)); code != want {
			t.Errorf("%s ended %d, want %d", command, code, want)
		}
		for _, want := range []string{"TIDEMILL_TEST_MISSING_TOKEN", "TIDEMILL_TEST_MISSING_REGION", "where it runs"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s does not say %s: %s", command, want, &out)
			}
		}
	}
	t.Setenv("TIDEMILL_TEST_MISSING_TOKEN", canary)
	t.Setenv("TIDEMILL_TEST_MISSING_REGION", "eu")
	var out bytes.Buffer
	if run(ctx, []string{"doctor"}, &out, &out, func(name string) string { return env[name] }, ownProgram(), Settings(source)); !strings.Contains(out.String(), "all that the program declares can be loaded") {
		t.Errorf("doctor says: %s", &out)
	}
	out.Reset()
	code := run(ctx, []string{"dag", "trigger", "sales", "--note", "with " + canary}, &out, &out, func(name string) string { return env[name] }, ownProgram(), Settings(source))
	if text, found := sings(out.String()); code != exitUsage || found || !strings.Contains(out.String(), "note: contains the secret TOKEN") {
		t.Errorf("a note with a secret ended %d: %s%s", code, &out, text)
	}
}

func TestSettingsAreGivenOnce(t *testing.T) {
	source := settings.New(settings.Env("X_"))
	var out bytes.Buffer
	env := map[string]string{"TIDEMILL_HOME": t.TempDir(), "TIDEMILL_DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
	if code := run(t.Context(), []string{"dag", "list"}, &out, &out, func(name string) string { return env[name] }, Settings(source), Settings(source)); code != exitUsage || !strings.Contains(out.String(), "settings.New") {
		t.Errorf("ended %d: %s", code, &out)
	}
}
