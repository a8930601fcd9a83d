// Approval asks people before it goes on, and reads who has said what as a typed value. They answer on the page of questions or by `task answer`, programs by Control.Answer.
// While it waits it holds no slot; when nobody answers in time, the default is taken.
//
//	go run ./examples/approval dag test release --params '{"version": "1.4"}' --answer confirm=ship
//	go run ./examples/approval dag test release --params '{"version": "1.4"}'     # nobody answers: it is held back
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Params say what is released.
type Params struct {
	Version string `json:"version"`
}

// A Decision is one of the answers; no other is taken.
type Decision string

// The decisions.
const (
	Ship Decision = "ship"
	Hold Decision = "hold"
)

func main() { cli.Main(cli.DAGs(release())) }

func release() engine.AnyDAG {
	d := engine.New[Params]("release")
	built := engine.After(d.Run(), "build", func(_ context.Context, r engine.Run[Params]) (string, error) {
		return "app-" + r.Params.Version, nil
	})
	answer := engine.Approve(built, "confirm", engine.Question[string, Decision]{
		Text:    func(image string) string { return fmt.Sprintf("Release %s to everybody?", image) },
		Answers: []Decision{Ship, Hold},
		Timeout: 24 * time.Hour,
		Default: Hold,
	})
	yes, no := engine.If(answer, "decided", func(a engine.Answer[Decision]) bool { return a.Choice == Ship })
	engine.After2(yes, built, "ship", func(ctx context.Context, a engine.Answer[Decision], image string) (string, error) {
		engine.Log(ctx).Info("shipping", "image", image, "said", a.By, "at", a.At)
		return image, nil
	})
	engine.Sink(no, "tell", func(ctx context.Context, a engine.Answer[Decision]) error {
		if a.By == "" {
			engine.Log(ctx).Info("held back: nobody answered")
		} else {
			engine.Log(ctx).Info("held back", "said", a.By)
		}
		return nil
	})
	return d
}
