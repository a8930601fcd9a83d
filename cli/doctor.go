package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/dags"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/lake"
	store "github.com/tidemill/tidemill/storage/postgres"
	"github.com/tidemill/tidemill/tasks/ingest"
	"github.com/tidemill/tidemill/tasks/webhook"
)

// A finding is what doctor found of one part.
type finding struct {
	Part   string `json:"part"`
	Status string `json:"status"` // ok, warning, error
	Found  string `json:"found"`
	Mend   string `json:"mend,omitempty"`
}

// checkTimeout bounds the look at one part.
const checkTimeout = 10 * time.Second

func (c *command) doctor() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "doctor", Short: "Check every part and say how to mend what is wrong; ends 1 where something is", Example: "  tidemill doctor", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []finding
			checks := []func(context.Context) []finding{c.checkHome, c.checkDAGs, c.checkSettings, c.checkDatabase}
			if c.program.reference {
				checks = append(checks, c.checkBroker, c.checkLake, c.checkDBT)
			}
			for _, check := range append(checks, c.checkWebhook) {
				ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
				all = append(all, check(ctx)...)
				cancel()
			}
			bad := 0
			err := c.show(all, func(w io.Writer) {
				for _, f := range all {
					row(w, strings.ToUpper(f.Status), f.Part, f.Found)
					if f.Mend != "" {
						row(w, "", "", "mend: "+f.Mend)
					}
				}
			})
			for _, f := range all {
				if f.Status == "error" {
					bad++
				}
			}
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d parts need a hand", bad)
			}
			return err
		},
	})
}

func ok(part, format string, args ...any) finding {
	return finding{Part: part, Status: "ok", Found: fmt.Sprintf(format, args...)}
}

func wrong(part string, err error, mend string) finding {
	return finding{Part: part, Status: "error", Found: err.Error(), Mend: mend}
}

func warning(part, found, mend string) finding {
	return finding{Part: part, Status: "warning", Found: found, Mend: mend}
}

func (c *command) checkHome(context.Context) []finding {
	info, err := os.Stat(c.config.Home)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return []finding{ok("home", "%s is made at the first start", c.config.Home)}
	case err != nil:
		return []finding{wrong("home", err, "set TIDEMILL_HOME to a folder that you may write to")}
	case !info.IsDir():
		return []finding{wrong("home", fmt.Errorf("%s is no folder", c.config.Home), "set TIDEMILL_HOME to a folder")}
	}
	return []finding{ok("home", "%s", c.config.Home)}
}

func (c *command) checkDAGs(context.Context) []finding {
	catalog, streams, err := c.program.compile(dags.Platform{BronzeMonths: c.config.bronzeMonths()})
	if err != nil {
		return []finding{wrong("dags", err, "mend the definitions at the lines named")}
	}
	return []finding{ok("dags", "%s, %s", count(len(catalog.IDs()), "DAG"), count(len(streams), "stream"))}
}

func (c *command) checkDatabase(ctx context.Context) []finding {
	s, err := findServices(c.config)
	if err != nil {
		plan, perr := postgres.Check(ctx, postgres.Options{Dir: c.config.postgresDir()})
		if perr != nil {
			return []finding{wrong("database", perr, "install PostgreSQL 15 or newer (Debian: apt install postgresql), or set TIDEMILL_DATABASE_URL")}
		}
		if plan.Fetch {
			return []finding{ok("database", "none runs; PostgreSQL would be fetched at the first start (about 14 MB)")}
		}
		return []finding{ok("database", "none runs; PostgreSQL %s in %s would be started as %s", plan.Binaries.Version, plan.Binaries.Dir, plan.User)}
	}
	var out []finding
	for _, m := range c.schemas(s) {
		list, err := migrations.Status(ctx, m.url, m.set)
		if err != nil {
			out = append(out, wrong(m.part, fmt.Errorf("%s: %w", redact(m.url), err), "is it running, and are address, user and password right?"))
			continue
		}
		missing := 0
		for _, a := range list {
			if !a.Done {
				missing++
			}
		}
		if missing > 0 {
			out = append(out, warning(m.part, fmt.Sprintf("%s lacks %d migrations", redact(m.url), missing), "tidemill migrate up"))
			continue
		}
		out = append(out, ok(m.part, "%s, %d migrations", redact(m.url), len(list)))
		if m.set == migrations.Engine {
			out = append(out, c.checkOutbox(ctx, m.url)...)
		}
	}
	if c.config.DatabaseURL == "" {
		if line, err := psql(s.DatabaseURL, postgres.PasswordFile(c.config.postgresDir())); err == nil {
			out = append(out, ok("sql", "%s", line))
		}
	}
	return out
}

// schemas are the migrations that the program's databases want.
func (c *command) schemas(s *services) []schema {
	all := []schema{{"database", s.DatabaseURL, migrations.Engine}}
	if c.program.reference {
		all = append(all, schema{"warehouse", s.WarehouseURL, migrations.Warehouse})
	}
	return all
}

// A schema is a set of migrations in a database.
type schema struct {
	part string // what people call the database
	url  string
	set  migrations.Set
}

// largeHistory is how many bytes a history may have before it is worth a word.
const largeHistory = 10 << 30

// checkOutbox warns of messages that nobody delivers.
func (c *command) checkOutbox(ctx context.Context, url string) []finding {
	st, err := store.Open(ctx, url, store.Options{AppName: "tidemill doctor", MaxConns: 2})
	if err != nil {
		return []finding{wrong("database", err, "tidemill migrate up")}
	}
	defer st.Close()
	workers, err := st.Workers(ctx)
	if err != nil {
		return []finding{wrong("workers", err, "tidemill migrate up")}
	}
	out := []finding{ok("workers", "%s alive", count(len(workers), "process"))}
	if len(workers) == 0 {
		out[0] = warning("workers", "no process is alive: nothing runs", "tidemill serve")
	}
	if h, err := st.HistorySize(ctx); err != nil {
		out = append(out, wrong("history", err, "tidemill migrate up"))
	} else if h.Bytes > largeHistory {
		out = append(out, warning("history", fmt.Sprintf("about %d attempts of %d runs, %d GB: it is kept for ever unless it is pruned", h.Attempts, h.Runs, h.Bytes>>30), "tidemill history prune --older-than 90d"))
	}
	messages, err := st.Messages(ctx, 1000)
	if err != nil {
		return append(out, wrong("outbox", err, "tidemill migrate up"))
	}
	failed, late := 0, 0
	now := time.Now()
	for _, m := range messages {
		switch {
		case m.State == "failed":
			failed++
		case m.State == "pending" && now.Sub(m.At) > 10*time.Minute:
			late++
		}
	}
	if failed+late > 0 {
		return append(out, warning("outbox", fmt.Sprintf("%d callbacks or webhooks were given up, %d wait for more than 10 minutes", failed, late), "is a process with TIDEMILL_WEBHOOK_URL running, and does the receiver answer?"))
	}
	return append(out, ok("outbox", "callbacks and webhooks are delivered"))
}

func (c *command) checkBroker(ctx context.Context) []finding {
	brokers := splitList(c.config.Brokers)
	if len(brokers) == 0 {
		if s, err := findServices(c.config); err == nil {
			brokers = s.Brokers
		}
	}
	if len(brokers) == 0 {
		return []finding{ok("broker", "none runs; an embedded one starts with serve and demo")}
	}
	client, err := c.config.client()
	if err != nil {
		return []finding{wrong("broker", err, "set the variable as said")}
	}
	l, err := c.openLake()
	if err != nil {
		return []finding{wrong("broker", err, "is TIDEMILL_LAKE right?")}
	}
	d, err := ingest.Lag(ctx, brokers, c.config.Topic, saramaConfig(client), l)
	switch {
	case errors.Is(err, ingest.ErrNoTopic):
		return []finding{warning("topic", fmt.Sprintf("%s does not exist at %s", c.config.Topic, strings.Join(brokers, ",")), "it is made by `tidemill produce` and `tidemill demo`; or create it with retention.ms=-1")}
	case err != nil:
		return []finding{wrong("broker", fmt.Errorf("%s: %w", strings.Join(brokers, ","), err), "is it running, and are addresses, TLS and SASL right?")}
	}
	return []finding{ok("topic", "%s at %s: %d partitions, lag %d", c.config.Topic, strings.Join(brokers, ","), len(d.Partitions), d.Lag)}
}

// writable errs when nothing can be written to a folder, or where it would be made. It leaves nothing behind.
func writable(dir string) error {
	for {
		_, err := os.Stat(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".tidemill-doctor-*")
	if err != nil {
		return fmt.Errorf("write to %s: %w", dir, err)
	}
	_, err = f.WriteString("x") // a full disk takes names, but no bytes
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (c *command) checkLake(ctx context.Context) []finding {
	l, err := lake.Open(c.config.Lake, c.config.Topic)
	if err == nil {
		err = writable(c.config.Lake)
	}
	if err != nil {
		return []finding{wrong("lake", err, "is TIDEMILL_LAKE a folder that you may write to?")}
	}
	s, err := l.Status(ctx)
	if err != nil {
		return []finding{wrong("lake", err, "see `tidemill lake audit`")}
	}
	return []finding{ok("lake", "%s: %d rows in %d files of %d days", c.config.Lake, s.Rows, s.Files, s.Days)}
}

func (c *command) checkDBT(ctx context.Context) []finding {
	env, err := pyenv.Check(ctx, c.config.venv())
	switch {
	case err == nil:
		return []finding{ok("dbt", "%s", env.DBT())}
	case !errors.Is(err, pyenv.ErrMissing):
		return []finding{wrong("dbt", err, "install what is named")}
	}
	if _, err := pyenv.FindPython(ctx); err != nil {
		return []finding{wrong("dbt", err, "install Python")}
	}
	return []finding{ok("dbt", "installed into a venv of its own at the first start (some 40 MB to download)")}
}

func (c *command) checkWebhook(ctx context.Context) []finding {
	if c.config.WebhookURL == "" {
		return []finding{ok("webhook", "none is configured")}
	}
	r, err := webhook.New(c.config.WebhookURL, c.config.WebhookSecret, time.Now)
	if err != nil {
		return []finding{wrong("webhook", err, "mend TIDEMILL_WEBHOOK_URL or TIDEMILL_WEBHOOK_SECRET")}
	}
	host := strings.TrimPrefix(strings.TrimPrefix(r.Place(), "https://"), "http://")
	if _, _, err := net.SplitHostPort(host); err != nil {
		port := "443"
		if strings.HasPrefix(r.Place(), "http://") {
			port = "80"
		}
		host = net.JoinHostPort(host, port)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return []finding{wrong("webhook", err, "does the receiver run, and can it be reached from here?")}
	}
	if err := conn.Close(); err != nil {
		return []finding{wrong("webhook", err, "does the receiver run?")}
	}
	note := ""
	if c.config.WebhookSecret == "" {
		note = ", unsigned: set TIDEMILL_WEBHOOK_SECRET"
	}
	return []finding{ok("webhook", "%s answers%s", r.Place(), note)}
}
