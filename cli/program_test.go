package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
)

// ownProgram is the DAG of somebody who has nothing to do with payments.
func ownProgram() Option {
	d := engine.New[engine.NoParams]("sales")
	engine.Sink(d.Run(), "report", func(context.Context, engine.Run[engine.NoParams]) error { return nil })
	return DAGs(d)
}

// A watched collects what a command writes and calls do when it has written text.
type watched struct {
	mu   sync.Mutex
	all  bytes.Buffer
	text string
	do   func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	if strings.Contains(w.all.String(), w.text) {
		w.do()
	}
	return len(p), nil
}

func TestAProgramWithoutThePipelineNeedsTheDatabaseOnly(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_DATABASE_URL": testkit.Postgres(t), "TIDEMILL_LISTEN": "127.0.0.1:0", "TIDEMILL_LOG_FORMAT": "json"}
	errOut := &watched{text: `"msg":"joined"`, do: cancel}
	if code := run(ctx, []string{"serve"}, &bytes.Buffer{}, errOut, func(name string) string { return env[name] }, ownProgram()); code != exitDone {
		t.Fatalf("ended %d: %s", code, &errOut.all)
	}
	if !strings.Contains(errOut.all.String(), errOut.text) {
		t.Fatalf("it has not come up within a minute: %s", &errOut.all)
	}
	for _, part := range []string{"broker", "python", "dbt"} {
		if _, err := os.Stat(filepath.Join(env["TIDEMILL_HOME"], part)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it made %s, which nothing in it uses", part)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"doctor"}, &out, &out, func(name string) string { return env[name] }, ownProgram()); code != exitDone {
		t.Errorf("doctor ended %d", code)
	}
	for _, part := range []string{"dbt", "topic", "lake", "warehouse"} {
		if strings.Contains(out.String(), part) {
			t.Errorf("doctor speaks of %s: %s", part, &out)
		}
	}
}

func TestTheDemoIsThePipelinesInAProgramWithDAGsOfItsOwn(t *testing.T) {
	home := testkit.Home(t)
	environments := filepath.Dir(filepath.Dir(filepath.Dir(testkit.DBT(t).Python())))
	if err := os.Symlink(environments, filepath.Join(home, "python")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	env := map[string]string{"TIDEMILL_HOME": home, "TIDEMILL_DATABASE_URL": testkit.Postgres(t), "TIDEMILL_KAFKA_BROKERS": strings.Join(testkit.Broker(t), ",")}
	var out bytes.Buffer
	yesterday := func() string { return time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) }
	before := yesterday()
	if code := run(ctx, []string{"demo", "--once", "--days", "1", "--per-day", "5"}, &out, &out, func(name string) string { return env[name] }, ownProgram(), Reference()); code != exitDone {
		t.Fatalf("ended %d: %s", code, &out)
	}
	day := regexp.MustCompile(fmt.Sprintf("daily_transactions (%s|%s)", before, yesterday())) // midnight may have passed
	if !day.Match(out.Bytes()) || !strings.Contains(out.String(), "5 payments") {
		t.Errorf("it says: %s", &out)
	}
}

func TestHelpListsWhatTheProgramHas(t *testing.T) {
	streams := Streams(engine.NewStream("clicks", func(context.Context, func(int)) error { return nil }))
	help := func(opts ...Option) string {
		var out bytes.Buffer
		if code := run(t.Context(), []string{"help"}, &out, &out, func(string) string { return "" }, opts...); code != exitDone {
			t.Fatalf("ended %d: %s", code, &out)
		}
		return out.String()
	}
	for name, c := range map[string]struct {
		opts []Option
		has  []string
		not  []string
	}{
		"a program of one's own": {[]Option{ownProgram()}, []string{"\n  serve ", "\n  dag ", "--database-url"}, []string{"demo", "lake", "produce", "stream ", "kafka", "warehouse", "payments"}},
		"one with streams":       {[]Option{ownProgram(), streams}, []string{"\n  stream "}, []string{"demo", "lake", "payments"}},
		"one with the pipeline":  {[]Option{ownProgram(), Reference()}, []string{"\n  demo ", "\n  lake ", "\n  produce ", "\n  stream ", "--kafka-brokers", "--warehouse-url"}, nil},
	} {
		text := help(c.opts...)
		for _, want := range c.has {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the help lacks %q: %s", name, want, text)
			}
		}
		for _, bad := range c.not {
			if strings.Contains(text, bad) {
				t.Errorf("%s: the help has %q: %s", name, bad, text)
			}
		}
	}
}

func TestACommandOfThePipelineSaysWhatAddsIt(t *testing.T) {
	for _, args := range [][]string{{"demo"}, {"demo", "--once"}, {"lake", "status"}, {"help", "lake"}} {
		var out bytes.Buffer
		if code := run(t.Context(), args, &out, &out, func(string) string { return "" }, ownProgram()); code != exitUsage || !strings.Contains(out.String(), "cli.Reference()") {
			t.Errorf("%v ended %d: %s", args, code, &out)
		}
	}
}
