package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/broker"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
)

// services are the database and the brokers that a command works with: those that the configuration names, those that another process
// runs in the home folder, or embedded ones that this process starts and stops.
type services struct {
	DatabaseURL  string
	WarehouseURL string
	Brokers      []string
	server       *postgres.Server
	broker       *broker.Server
}

func (c *Config) postgresDir() string { return filepath.Join(c.Home, "postgres") }
func (c *Config) brokerDir() string   { return filepath.Join(c.Home, "broker") }

// needs are what a program needs besides the database.
type needs struct {
	broker bool
}

// startServices starts what is needed and not configured. The caller stops it.
func startServices(ctx context.Context, c *Config, need needs, say func(string), log *slog.Logger) (s *services, err error) {
	s = &services{DatabaseURL: c.DatabaseURL, WarehouseURL: c.WarehouseURL, Brokers: splitList(c.Brokers)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(context.WithoutCancel(ctx)))
		}
	}()
	if s.DatabaseURL == "" {
		s.server, err = postgres.Start(ctx, postgres.Options{Dir: c.postgresDir(), Progress: say, Log: log})
		if err != nil {
			return s, busy(err, "PostgreSQL", c.Home)
		}
		s.DatabaseURL = s.server.URL()
		say("PostgreSQL " + s.server.Version() + " runs in " + c.postgresDir() + elsewhere(c.postgresDir(), s.server))
	}
	if need.broker && len(s.Brokers) == 0 {
		s.broker, err = broker.Start(ctx, broker.Options{Dir: c.brokerDir(), Log: log})
		if err != nil {
			return s, busy(err, "the broker", c.Home)
		}
		s.Brokers = s.broker.Brokers()
		say("a Kafka-protocol broker runs at " + strings.Join(s.Brokers, ","))
	}
	if s.WarehouseURL == "" {
		s.WarehouseURL = s.DatabaseURL
	}
	return s, nil
}

// elsewhere says where the data of the embedded PostgreSQL is, why, and how that is changed, when it is not in its folder; "" when it is.
func elsewhere(dir string, s interface{ Data() (dir, user string) }) string {
	data, user := s.Data()
	if home, err := filepath.EvalSymlinks(dir); err != nil || strings.HasPrefix(data, home+string(filepath.Separator)) {
		return ""
	}
	return fmt.Sprintf(", its data in %s: it refuses to run as root, so it runs as user %s, who cannot enter %s; to have it there start as another user, or make a TIDEMILL_HOME beforehand that %s can enter (mode 755)", data, user, dir, user)
}

func busy(err error, what, home string) error {
	if errors.Is(err, postgres.ErrBusy) || errors.Is(err, broker.ErrBusy) {
		return fmt.Errorf("another tidemill runs %s of %s: to work beside it give both TIDEMILL_DATABASE_URL (and TIDEMILL_KAFKA_BROKERS for streams), or end it, or give this one another TIDEMILL_HOME: %w", what, home, err)
	}
	return fmt.Errorf("start %s: %w", what, err)
}

// findServices finds what a command that starts nothing works with. Brokers may be missing: those that need them say so.
func findServices(c *Config) (*services, error) {
	s := &services{DatabaseURL: c.DatabaseURL, WarehouseURL: c.WarehouseURL, Brokers: splitList(c.Brokers)}
	if s.DatabaseURL == "" {
		address, ok := postgres.FindRunning(c.postgresDir())
		if !ok {
			return nil, usage("no database: set TIDEMILL_DATABASE_URL, or run `tidemill serve`, whose embedded one is then used (home folder %s)", c.Home)
		}
		s.DatabaseURL = address
	}
	if s.WarehouseURL == "" {
		s.WarehouseURL = s.DatabaseURL
	}
	if len(s.Brokers) == 0 {
		if found, ok := broker.FindRunning(c.brokerDir()); ok {
			s.Brokers = found
		}
	}
	return s, nil
}

// errNoBrokers says what a command without brokers lacks.
func errNoBrokers(c *Config) error {
	return usage("no Kafka brokers: set TIDEMILL_KAFKA_BROKERS, or run `tidemill serve` or `tidemill demo`, whose embedded one is then used (home folder %s)", c.Home)
}

// watch waits until ctx ends, or errs when the embedded PostgreSQL ends by itself: without it a process could do nothing, and would
// look as if it ran.
func (s *services) watch(ctx context.Context, home string) error {
	if s.server == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.server.Exited():
		return fmt.Errorf("the embedded PostgreSQL ended by itself: %s says why; start again, nothing is lost", filepath.Join(home, "postgres", "postgres.log"))
	}
}

func (s *services) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var errs []error
	if s.broker != nil {
		errs = append(errs, s.broker.Stop())
		s.broker = nil
	}
	if s.server != nil {
		errs = append(errs, s.server.Stop(ctx))
		s.server = nil
	}
	return errors.Join(errs...)
}

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
