package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// A VersionError says that the data folder belongs to another major version of PostgreSQL than what is installed.
type VersionError struct {
	Data  string   // the data folder
	Has   int      // the major version that made it
	Found Binaries // the best that there is instead
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the data folder %s was made by PostgreSQL %d, but what is installed is PostgreSQL %s (%s): install PostgreSQL %d beside it, or move the data over with pg_upgrade, or set TIDEMILL_HOME to another folder",
		e.Data, e.Has, e.Found.Version, e.Found.Dir, e.Has)
}

// chooseBinaries returns the programs that fit the cluster: of its major version, or the best ones for a new cluster.
// ok is false, without an error, when they have to be fetched.
func chooseBinaries(ctx context.Context, o Options, c cluster, made bool) (_ Binaries, ok bool, err error) {
	major := 0 // any
	if made {
		if major, err = c.major(); err != nil {
			return Binaries{}, false, err
		}
	}
	var other []Binaries
	for b := range c.candidates(ctx, o.Source) {
		if major == 0 || b.Major == major {
			return b, true, nil
		}
		other = append(other, b)
	}
	switch {
	case o.Source != System && (major == 0 || major == fetchedMajor):
		return Binaries{}, false, nil
	case len(other) > 0:
		return Binaries{}, false, &VersionError{Data: c.data, Has: major, Found: other[0]}
	default:
		return Binaries{}, false, noBinaries(major, errors.New("none on PATH or in the usual folders"))
	}
}

// candidates yields the programs that are on this machine, best first.
func (c cluster) candidates(ctx context.Context, from Source) iter.Seq[Binaries] {
	return func(yield func(Binaries) bool) {
		if from != Fetched {
			for b := range systemBinaries(ctx, c.who) {
				if !yield(b) {
					return
				}
			}
		}
		if from != System {
			for b := range c.fetched(ctx) {
				if !yield(b) {
					return
				}
			}
		}
	}
}

func noBinaries(major int, why error) error {
	return fmt.Errorf("%w: install PostgreSQL %d (Debian, Ubuntu: apt install postgresql; macOS: brew install postgresql), or set TIDEMILL_DATABASE_URL: %w",
		ErrNoBinaries, max(major, oldestMajor), why)
}

// A Plan is what [Start] would do.
type Plan struct {
	Binaries Binaries // the programs that it would run; zero if Fetch
	Fetch    bool     // it would have to fetch them first
	Data     string   // the data folder; empty if there is none yet
	User     string   // whom the server would run as
	Running  bool     // a server runs there now
}

// Check tells what Start would do with o, without making, fetching or starting anything; it errs where Start would.
func Check(ctx context.Context, o Options) (Plan, error) {
	c, made, err := openCluster(o.Dir)
	if err != nil {
		return Plan{}, err
	}
	b, ok, err := chooseBinaries(ctx, o, c, made)
	if err != nil {
		return Plan{}, err
	}
	_, running := FindRunning(o.Dir)
	return Plan{Binaries: b, Fetch: !ok, Data: c.data, User: c.who.name, Running: running}, nil
}
