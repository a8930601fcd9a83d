// Sensors wait for something outside. Between two looks a sensor holds no slot and no connection, so ten thousand of them may wait.
//
//	mkdir -p inbox && echo 'Ada,12' > inbox/shop.csv && date > inbox/DONE
//	go run ./examples/sensors dag test inbox --params '{"folder": "inbox"}'
package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/sensors"
)

// Params say where files arrive.
type Params struct {
	Folder string `json:"folder"`
}

// Run is a run of the DAG.
type Run = engine.Run[Params]

func main() { cli.Main(cli.DAGs(inbox())) }

func inbox() engine.AnyDAG {
	d := engine.New[Params]("inbox")

	// One from the shelf: files that fit a pattern. Package sensors also has a row (SQL), an answer (HTTP) and another DAG's run.
	files := engine.Sensor(d.Run(), "files", engine.Poke{Every: time.Minute, Timeout: 12 * time.Hour},
		sensors.Glob(time.Now, func(r Run) sensors.Files { return sensors.Files{Pattern: filepath.Join(r.Params.Folder, "*.csv")} }))

	// One of our own: a function that looks once and says whether it is ready. What it yields is typed as any output.
	done := engine.Sensor(d.Run(), "done", engine.Poke{Every: 10 * time.Second, Timeout: 12 * time.Hour}, lookForDone)

	engine.After2(files, done, "load", func(ctx context.Context, found []sensors.FoundFile, at time.Time) (int, error) {
		engine.Log(ctx).Info("the shop is done", "files", len(found), "at", at)
		return len(found), nil
	})
	return d
}

func lookForDone(_ context.Context, r Run) (at time.Time, ready bool, err error) {
	info, err := os.Stat(filepath.Join(r.Params.Folder, "DONE"))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false, nil // not yet, which is no error
	}
	if err != nil {
		return time.Time{}, false, err // fails the attempt, and Retry applies
	}
	return info.ModTime(), true, nil
}
