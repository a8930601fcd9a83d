// Settings gives tasks their connections and secrets as typed structs: from the environment, from files, or from a vault of yours. What is
// missing is told at the start, all at once, and what is secret reaches no log, no page and no table.
//
//	go run ./examples/settings dag test export                                                  # says what is missing
//	SALES_URL=https://api.example.com SALES_TOKEN=correct-horse go run ./examples/settings dag test export
package main

import (
	"context"
	"net/url"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/settings"
)

// Sales is what the tasks need to know of the sales service.
type Sales struct {
	URL     url.URL         `setting:"URL,required" doc:"where the service is"`
	Token   settings.Secret `setting:"TOKEN,required" doc:"to be known there"`
	Timeout time.Duration   `setting:"TIMEOUT" default:"30s"`
}

func main() {
	// In turn: SALES_TOKEN in the environment, then the file /run/secrets/TOKEN. A vault is a settings.Func.
	source := settings.New(settings.Env("SALES_"), settings.Files("/run/secrets"))
	cli.Main(cli.DAGs(export(settings.Of[Sales](source))), cli.Settings(source))
}

func export(sales settings.Setting[Sales]) engine.AnyDAG {
	d := engine.New[engine.NoParams]("export")
	engine.After(d.Run(), "ask", func(ctx context.Context, _ engine.Run[engine.NoParams]) (int, error) {
		s, err := sales.Load(ctx) // what is in force now: a token that was changed needs no restart
		if err != nil {
			return 0, err
		}
		engine.Log(ctx).Info("asking", "service", s.URL.Host, "token", s.Token) // shows ***; to return it would fail the task
		return ask(ctx, s.URL, s.Token.Reveal())
	})
	return d
}

// ask stands in for the service's client.
func ask(_ context.Context, _ url.URL, token string) (answers int, err error) {
	return len(token), nil
}
