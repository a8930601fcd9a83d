package cli

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// core is what is left of the canary in whatever escapes the characters around it.
const (
	core   = "Zq7CanarySings42"
	canary = `"<` + core + `>&/ä`
)

type (
	canaryRun    = engine.Run[engine.NoParams]
	canaryParams struct{ X string }
)

// canaryTasks are those of the DAG that tells a secret in every way, with the states that they end in when it is known as one.
var canaryTasks = map[string]engine.State{
	"logs": engine.Success, "errs": engine.Failed, "panics": engine.Failed, "skips": engine.Skipped, "retries": engine.Failed, "pokes": engine.Failed,
	"returns": engine.Failed, "encodes": engine.Failed, "attaches": engine.Failed, "asks": engine.Failed, "triggers": engine.Failed, "reports": engine.Failed, "tells": engine.Success,
	"list": engine.Success, "names": engine.Failed,
}

// singing are a DAG and a stream that tell the secret that get gives in every way they can.
func singing(get func(context.Context) (string, error)) []Option {
	d := engine.New[engine.NoParams]("canary", engine.OnFailure(func(ctx context.Context, _ engine.CallbackEvent) error {
		s, err := get(ctx)
		return errors.Join(err, fmt.Errorf("callback of the run: %s", s))
	}))
	other := engine.New[canaryParams]("other")
	engine.Sink(other.Run(), "nothing", func(context.Context, engine.Run[canaryParams]) error { return nil })
	task := func(id string, f func(ctx context.Context, s string) (string, error), opts ...engine.TaskOption) {
		engine.After(d.Run(), id, func(ctx context.Context, _ canaryRun) (string, error) {
			s, err := get(ctx)
			if err != nil {
				return "", err
			}
			return f(ctx, s)
		}, opts...)
	}
	task("logs", func(ctx context.Context, s string) (string, error) {
		l := engine.Log(ctx).With("with", s).WithGroup("g")
		l.Info("it says "+s, s, s, "error", fmt.Errorf("no: %q", s), "struct", canaryParams{s}, "pointer", &canaryParams{s}, "bytes", []byte(s), "group", slog.GroupValue(slog.String("in", s)))
		l.Warn("header", "basic", base64.StdEncoding.EncodeToString([]byte("user:"+s)), "url", (&url.URL{Scheme: "https", User: url.UserPassword("u", s), Host: "h"}).String(), "hex", hex.EncodeToString([]byte(s)))
		return "fine", nil
	})
	told := func(s string) error {
		return fmt.Errorf("ask https://h/?token=%s: %w", url.QueryEscape(s), errors.New("refused: "+s))
	}
	task("errs", func(_ context.Context, s string) (string, error) { return "", engine.Permanent(told(s)) }, engine.OnFailure(func(_ context.Context, e engine.CallbackEvent) error {
		return errors.New("callback was told: " + e.Error)
	}))
	task("panics", func(_ context.Context, s string) (string, error) { panic(told(s)) })
	task("skips", func(_ context.Context, s string) (string, error) { return "", engine.Skip(told(s).Error()) })
	task("retries", func(_ context.Context, s string) (string, error) {
		return "", engine.RetryAfter(told(s), time.Millisecond)
	}, engine.Retry{Max: 1})
	engine.Sensor(d.Run(), "pokes", engine.Poke{Every: time.Hour}, func(ctx context.Context, _ canaryRun) (string, bool, error) {
		s, err := get(ctx)
		return "", false, errors.Join(err, told(s))
	})
	task("returns", func(_ context.Context, s string) (string, error) { return "it is " + s, nil })
	task("encodes", func(_ context.Context, s string) (string, error) {
		return base64.URLEncoding.EncodeToString([]byte("user:" + s)), nil
	})
	task("attaches", func(ctx context.Context, s string) (string, error) {
		return "fine", engine.Attach(ctx, "asset", map[string]string{"token": s})
	}, engine.Updates("asset"))
	engine.Approve(d.Run(), "asks", engine.Question[canaryRun, string]{Answers: []string{"yes"}, Timeout: 100 * time.Millisecond, Text: func(canaryRun) string {
		s, err := get(context.Background())
		return fmt.Sprint("is it ", s, "?", err)
	}})
	engine.TriggerDAG(d.Run(), "triggers", other, func(canaryRun) canaryParams {
		s, err := get(context.Background())
		return canaryParams{fmt.Sprint(s, err)}
	})
	task("reports", func(ctx context.Context, s string) (string, error) {
		return "", engine.Report(ctx, engine.VirtualState{ID: "model", State: engine.Success, Details: mustJSON(canaryParams{s})})
	}, engine.Virtual(nil))
	task("tells", func(ctx context.Context, s string) (string, error) {
		return "fine", engine.Report(ctx, engine.VirtualState{ID: "message", State: engine.Failed, Message: told(s).Error()})
	}, engine.Virtual(nil))
	list := engine.After(d.Run(), "list", func(context.Context, canaryRun) ([]int, error) { return []int{1, 2}, nil })
	engine.Map(list, "names", func(_ context.Context, n int) (int, error) { return n, nil }, engine.ElementName(func(n int) string {
		s, err := get(context.Background())
		return fmt.Sprint("element ", n, s, err)
	}))
	stream := engine.NewStream("song", func(ctx context.Context, report func(canaryParams)) error {
		s, err := get(ctx)
		if err != nil {
			return err
		}
		report(canaryParams{"a harmless one"})
		report(canaryParams{s})
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second): // for a heartbeat to bring the progress
		}
		return told(s)
	}, engine.RestartBackoff(time.Hour, time.Hour))
	loud := engine.NewStream("loud", func(ctx context.Context, _ func(canaryParams)) error {
		s, err := get(ctx)
		panic(errors.Join(err, told(s)))
	}, engine.RestartBackoff(time.Hour, time.Hour))
	return []Option{DAGs(d, other), Streams(stream, loud)}
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
