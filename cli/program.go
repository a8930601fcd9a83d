package cli

import (
	"errors"
	"runtime/debug"
	"slices"

	"github.com/tidemill/tidemill/dags"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/secret"
	"github.com/tidemill/tidemill/engine/settings"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// A program is the DAGs and streams that the commands work on.
type program struct {
	dags      []engine.AnyDAG
	streams   []*engine.Stream
	reference bool
	projects  []dbtProject
	settings  []*settings.Source // one or none
	own       secret.Redactor    // used where there is none
}

// An Option gives the commands something to work on.
type Option func(*program)

// DAGs adds DAGs.
func DAGs(d ...engine.AnyDAG) Option { return func(p *program) { p.dags = append(p.dags, d...) } }

// Streams adds streams.
func Streams(s ...*engine.Stream) Option {
	return func(p *program) { p.streams = append(p.streams, s...) }
}

// Reference adds the payments pipeline of package dags: the stream bronze_ingest, the DAGs daily_transactions,
// lake_compaction and dbt_docs, and bronze_retention where TIDEMILL_BRONZE_MONTHS is set.
func Reference() Option { return func(p *program) { p.reference = true } }

// compile checks the DAGs and streams. runners are those of the program's dbt projects; without them the DAGs can only be looked at.
func (p *program) compile(ground dags.Platform, runners ...*dbt.Runner) (*engine.Catalog, []*engine.Stream, error) {
	all, streams := slices.Concat(p.dags, p.projectDAGs(runners)), p.streams
	if p.reference {
		all = append([]engine.AnyDAG{dags.DailyTransactions(ground), dags.LakeCompaction(ground), dags.DBTDocs(ground)}, all...)
		if ground.BronzeMonths > 0 {
			all = append(all, dags.BronzeRetention(ground))
		}
		streams = append([]*engine.Stream{dags.BronzeIngest(ground)}, streams...)
	}
	catalog, err := engine.Compile(all...)
	errs := []error{err}
	if len(p.settings) > 1 {
		errs = append(errs, usage("cli.Settings is given %d times; make one source of all providers with settings.New", len(p.settings)))
	}
	names := map[string]bool{}
	for _, s := range streams {
		errs = append(errs, s.Check())
		if names[s.Name()] {
			errs = append(errs, usage("there are two streams of the name %s", s.Name()))
		}
		names[s.Name()] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, &UsageError{err}
	}
	return catalog, streams, nil
}

// release is the version of this Tidemill.
const release = "0.1.0"

func version() string { return release }

// build tells one build of the program from another: the commit it was made from, where Go knows it.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	if revision == "" {
		return release
	}
	return release + "-" + revision + modified
}
