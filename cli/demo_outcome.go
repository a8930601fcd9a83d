package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/storage/lake"
)

// outcome prints what there is now and where to look.
func (a *app) outcome(ctx context.Context, story *story, report lake.AuditReport) error {
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
	if a.config.DatabaseURL == "" {
		fmt.Fprintf(&b, "           tidemill serve keeps this home folder running; `SELECT * FROM gold.fct_daily_revenue` at %s\n", redact(a.services.WarehouseURL))
	}
	story.print(b.String() + "\n")
	return nil
}
