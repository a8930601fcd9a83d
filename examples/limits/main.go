// Limits keep tasks from treading on each other's toes: across a run, across the DAG's runs, across DAGs and across machines. What is held
// back says so and by what.
//
//	go run ./examples/limits serve                          # and in another terminal:
//	go run ./examples/limits dag trigger crawl
//	go run ./examples/limits task why crawl RUN 'fetch[0]'  # there is no pool "web": make it
//	go run ./examples/limits pool set web 3                 # shared by tasks of any DAG
//	go run ./examples/limits task why crawl RUN index       # no live worker serves its queue "heavy"
//
// The run ends once some process serves that queue: `serve --queues default,heavy`, or `worker --queues heavy` on a machine with more memory and
// TIDEMILL_DATABASE_URL set to the same database.
package main

import (
	"context"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

func main() { cli.Main(cli.DAGs(crawl())) }

func crawl() engine.AnyDAG {
	d := engine.New[engine.NoParams]("crawl",
		engine.MaxActiveRuns(1),  // one run after the other
		engine.MaxActiveTasks(8), // over all its runs and all processes
		engine.Weight(2))         // beside a busy DAG of weight 1 it gets two slots for one; nobody gets none
	urls := engine.After(d.Run(), "urls", func(context.Context, engine.Run[engine.NoParams]) ([]string, error) {
		return []string{"/a", "/b", "/c", "/d", "/e", "/f"}, nil
	})

	pages := engine.Map(urls, "fetch", func(_ context.Context, url string) (string, error) { return "page of " + url, nil },
		engine.InPool("web"), // each takes one slot of the pool while it runs
		engine.MaxActive(2))  // and no more than two elements run at once

	engine.After(pages, "index", func(_ context.Context, pages []string) (int, error) { return len(pages), nil },
		engine.InPool("web", 3), // three slots at once: it has the pool to itself
		engine.Queue("heavy"),   // only workers that serve the queue run it
		engine.Priority(10))     // before the DAG's other ready tasks

	return d
}
