// Teardown cleans up after tasks whatever becomes of them: a setup makes a folder, tasks use it, and the teardown takes it away when the last
// of them has ended, well or not. Clearing a task makes the folder anew first. A failed teardown does not fail the run.
//
//	go run ./examples/teardown dag test export
//	go run ./examples/teardown dag test export --params '{"fail": true}'     # the folder is removed all the same
package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Params let us see what happens when a task fails.
type Params struct {
	Fail bool `json:"fail"`
}

func main() { cli.Main(cli.DAGs(export())) }

func export() engine.AnyDAG {
	d := engine.New[Params]("export")
	folder := engine.Setup(d.Run(), "make_folder", func(context.Context, engine.Run[Params]) (string, error) {
		return os.MkdirTemp("", "export-")
	})
	written := engine.After2(folder, d.Run(), "write", write)
	packed := engine.After(written, "pack", func(ctx context.Context, file string) (string, error) {
		engine.Log(ctx).Info("packing", "file", file)
		return file + ".gz", nil
	})
	engine.Teardown(folder, "remove_folder", func(ctx context.Context, folder string) error {
		engine.Log(ctx).Info("removing the folder")
		return os.RemoveAll(folder)
	}, engine.Covers(packed)) // what leads from the folder to it is covered too
	return d
}

func write(_ context.Context, folder string, r engine.Run[Params]) (string, error) {
	if r.Params.Fail {
		return "", errors.New("the disk is full")
	}
	file := filepath.Join(folder, "export.csv")
	return file, os.WriteFile(file, []byte("Ada,12\n"), 0o600)
}
