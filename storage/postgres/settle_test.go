package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	server "github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
)

// A server that crashes forgets the numbers of transactions of which nothing had reached the disk, and gives them to others, which commit. That
// is not the commit of the one that was cut off.
func TestANumberThatIsGivenAgainIsNotTheSameTransaction(t *testing.T) {
	ctx := t.Context()
	opts := server.Options{Dir: filepath.Join(testkit.Home(t), "postgres"), Settings: map[string]string{"wal_writer_delay": "10s"}}
	db, err := server.Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(ctx, db.URL(), migrations.Engine); err != nil {
		t.Fatal(err)
	}
	begin := func() (mark, pgx.Tx) {
		t.Helper()
		conn, err := pgx.Connect(ctx, db.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the server may be gone
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO tidemill.pools (name, slots, description) VALUES (gen_random_uuid()::text, 1, '')`); err != nil {
			t.Fatal(err)
		}
		var m mark
		if err := tx.QueryRow(ctx, `SELECT `+markColumns).Scan(m.targets()...); err != nil {
			t.Fatal(err)
		}
		return m, tx
	}
	done, tx := begin()
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	cut, _ := begin()
	text, err := os.ReadFile(filepath.Join(opts.Dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-db.Exited()
	if err := db.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if db, err = server.Start(ctx, opts); err != nil {
		t.Fatal(err)
	}
	again := mark{}
	for again.xid != cut.xid { // the number is given again
		var tx pgx.Tx
		if again, tx = begin(); number(t, again.xid) > number(t, cut.xid) {
			t.Fatalf("transaction %s was not forgotten, the next is %s: this test shows nothing", cut.xid, again.xid)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(ctx, db.URL(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lost := errors.New("cut off")
	for _, c := range []struct {
		name string
		mark mark
		want error
	}{
		{"committed before the crash", done, nil},
		{"cut off by the crash", cut, errRolledBack},
		{"committed since, under the same number", again, nil},
	} {
		if err := s.settle(ctx, c.mark, lost); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func number(t *testing.T, xid string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(xid, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
