// Hello is the smallest DAG that does something: params, two tasks, and an edge that carries a string from one to the other.
//
//	go run ./examples/hello dag test hello                              # one run in this process, no database
//	go run ./examples/hello dag test hello --params '{"name": "Ada"}'
//	go run ./examples/hello serve                                       # every day at six, on screen at http://127.0.0.1:8080
package main

import (
	"context"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Params are what a trigger may give. A field that is misspelt or of the wrong type is refused, and named; one that is
// left out has its default.
type Params struct {
	Name string `json:"name" default:"world" maxLength:"50" doc:"who is greeted"`
}

func main() { cli.Main(cli.DAGs(hello())) }

func hello() *engine.DAG[Params] {
	d := engine.New[Params]("hello", engine.Schedule("0 6 * * *", "Europe/Zurich"))
	greeting := engine.After(d.Run(), "compose", compose) // a Node[string]
	engine.Sink(greeting, "say", say)                     // reads it; a body that took an int would not compile
	return d
}

func compose(_ context.Context, r engine.Run[Params]) (string, error) {
	return "Hello, " + r.Params.Name + "!", nil
}

func say(ctx context.Context, greeting string) error {
	engine.Log(ctx).Info(greeting) // kept with the attempt, and live on screen
	return nil
}
