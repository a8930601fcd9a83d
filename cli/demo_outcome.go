package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/storage/lake"
)

// outcome prints what there is now and where to look: in what still runs, or, once the demo has ended, in what serve starts again.
func (a *app) outcome(ctx context.Context, story *story, report lake.AuditReport, once bool) error {
	status, err := a.platform.lake.Status(ctx)
	if err != nil {
		return err
	}
	var payments, groups, events int64
	err = a.platform.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM gold.fct_transactions), (SELECT count(*) FROM gold.fct_daily_revenue), (SELECT count(*) FROM bronze.transactions)`).
		Scan(&payments, &groups, &events)
	if err != nil {
		return fmt.Errorf("count Gold: %w", err)
	}
	verdict := "clean: every offset is accounted for"
	if !report.Clean() {
		verdict = "NOT CLEAN"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  lake     %d rows, %d dead letters, %d tombstones in %d files of %d days; audit %s\n", status.Rows, status.DeadLetters, status.Tombstones, status.Files, status.Days, verdict)
	fmt.Fprintf(&b, "  bronze   %d events\n  gold     %d payments, %d groups of daily revenue\n", events, payments, groups)
	fmt.Fprintf(&b, "  look     %s/bronze/%s (Parquet)\n", a.config.Lake, a.config.Topic)
	if a.config.DatabaseURL == "" && a.config.WarehouseURL == "" {
		line, err := psql(a.services.WarehouseURL, postgres.PasswordFile(a.config.postgresDir()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  sql      %s -c 'SELECT * FROM gold.fct_daily_revenue'\n", line)
		if once {
			fmt.Fprintf(&b, "           while `tidemill serve` runs on this home folder, which shows all this at http://%s\n", a.config.Listen)
		}
	}
	story.print(b.String() + "\n")
	return nil
}

// psql is the command that opens an embedded database in a POSIX shell. The password is not in it, but read from its file.
func psql(address, passwordFile string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("the database's address: %w", err)
	}
	u.User = url.User(u.User.Username())
	u.RawQuery = ""
	return fmt.Sprintf("PGPASSWORD=$(cat '%s') psql %s", strings.ReplaceAll(passwordFile, "'", `'\''`), u), nil
}
