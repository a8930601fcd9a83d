package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/embedded/broker"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/testkit"
)

// home is a TIDEMILL_HOME, with what else the program finds in its environment.
type home struct {
	t   *testing.T
	dir string
	env []string
	// database and brokers are those of somebody else; empty for the embedded ones.
	database string
	brokers  []string
}

// newHome makes a home folder in which there is nothing yet but the Python environment with dbt, which all homes share: making it
// is tested apart, and takes the network.
func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, dir: testkit.Home(t)}
	environments := filepath.Dir(filepath.Dir(filepath.Dir(testkit.DBT(t).Python())))
	if err := os.Symlink(environments, filepath.Join(h.dir, "python")); err != nil {
		t.Fatal(err)
	}
	return h
}

// newOutsideHome makes a home for a program whose database and brokers are somebody else's.
func newOutsideHome(t *testing.T) *home {
	t.Helper()
	h := newHome(t)
	h.database, h.brokers = testkit.Postgres(t), testkit.Broker(t)
	h.env = append(h.env, "TIDEMILL_DATABASE_URL="+h.database, "TIDEMILL_KAFKA_BROKERS="+strings.Join(h.brokers, ","))
	return h
}

func (h *home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

func (h *home) lake() string { return h.path("lake") }

// outcome is what a program left behind: its database and its topic.
type outcome struct {
	*home
	database string
	brokers  []string
}

// opened calls look with the home's database and brokers running, embedded ones started for the time of the call.
func (h *home) opened(look func(o outcome)) {
	h.t.Helper()
	o := outcome{h, h.database, h.brokers}
	if o.database == "" {
		s, err := postgres.Start(h.t.Context(), postgres.Options{Dir: h.path("postgres")})
		if err != nil {
			h.t.Fatal(err)
		}
		defer func() {
			if err := s.Stop(h.t.Context()); err != nil {
				h.t.Error(err)
			}
		}()
		o.database = s.URL()
	}
	if len(o.brokers) == 0 {
		s, err := broker.Start(h.t.Context(), broker.Options{Dir: h.path("broker")})
		if err != nil {
			h.t.Fatal(err)
		}
		defer func() {
			if err := s.Stop(); err != nil {
				h.t.Error(err)
			}
		}()
		o.brokers = s.Brokers()
	}
	look(o)
}
