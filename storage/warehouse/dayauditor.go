package warehouse

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

var (
	//go:embed sql/audit_tables.sql
	auditTablesSQL string
	//go:embed sql/audit_sight.sql
	auditSightSQL string
	//go:embed sql/audit_groups.sql
	auditGroupsSQL string
	//go:embed sql/audit_kind.sql
	auditKindSQL string
	//go:embed sql/audit_gold.sql
	auditGoldSQL string
)

// dayAuditor audits one day, in one transaction that sees the database as of its beginning.
type dayAuditor struct {
	w     *Warehouse
	req   AuditRequest
	tx    pgx.Tx
	found DayAudit
	// generation is the day's, replayDue says that a load must have followed its last replay.
	generation int
	replayDue  bool
	buf        []byte
}

func (a *dayAuditor) run(ctx context.Context) (err error) {
	conn, err := a.w.session(ctx, "tidemill audit")
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // nothing of it is kept
	}()
	if a.tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}); err != nil {
		return err
	}
	// First of all, so that no month of bronze is emptied under what the transaction sees.
	if _, err := a.tx.Exec(ctx, `LOCK TABLE bronze.transactions IN ACCESS SHARE MODE`); err != nil {
		return err
	}
	if _, err := a.tx.Exec(ctx, stagedTable+`; `+auditTablesSQL); err != nil {
		return fmt.Errorf("make the temporary tables: %w", err)
	}
	var published *int64 // any look at a table fixes what the transaction sees, before the lake is listed
	if err := a.tx.QueryRow(ctx, `SELECT max(build_id) FROM metadata.gold_publications`).Scan(&published); err != nil {
		return err
	}
	// What is looked up is looked up by index, whatever the planner makes of a table that it thinks small.
	if _, err := a.tx.Exec(ctx, `SET LOCAL enable_seqscan = off; SET LOCAL jit = off`); err != nil {
		return err
	}
	if err := a.readLake(ctx); err != nil {
		return err
	}
	if _, err := a.tx.Exec(ctx, `ANALYZE staged; ANALYZE audited`); err != nil {
		return err
	}
	if err := a.twice(ctx); err != nil {
		return err
	}
	if _, err := a.tx.Exec(ctx, auditSightSQL, a.req.Day.Start(), a.w.source.ID(), a.req.DAGID, a.req.RunID, a.generation, a.replayDue); err != nil {
		return fmt.Errorf("compare the lake with bronze and Gold: %w", err)
	}
	if err := a.count(ctx); err != nil {
		return err
	}
	return a.goldAlone(ctx)
}

// readLake brings the rows of the day's files into the table staged, each with its file's number.
func (a *dayAuditor) readLake(ctx context.Context) error {
	all, days, err := a.w.list(ctx, a.req.Day)
	if err != nil {
		return err
	}
	for _, d := range days {
		if d.Day == a.req.Day {
			a.found.Topic.DeadLetters, a.found.Topic.Tombstones = d.DeadLetterCount(), d.Tombstones
			a.generation, a.replayDue = d.Generation, d.Replayed <= a.req.Through
		}
	}
	for n, f := range slices.DeleteFunc(all, func(f lake.File) bool { return f.Day != a.req.Day }) {
		a.found.Topic.Rows += f.Rows
		_, err := a.tx.Exec(ctx, `INSERT INTO audited VALUES ($1, $2, $3, $4)`, n, f.Path, f.TopicID, f.Entry <= a.req.Through)
		if err != nil {
			return err
		}
		if err := a.readFile(ctx, n, f); err != nil {
			return err
		}
	}
	return nil
}

// readFile brings the rows of one file. One that is not what was committed is a problem; what can still be read of it is
// compared all the same, so that the offsets that are wrong get their names.
func (a *dayAuditor) readFile(ctx context.Context, n int, f lake.File) error {
	check := fileCheck{file: f}
	var stopped error
	take := func(rows []payment.Row) error {
		stopped = a.stage(ctx, n, rows)
		check.rows(rows)
		return stopped
	}
	err := a.w.source.Rows(ctx, f, take)
	if stopped != nil {
		return stopped
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.found.Add(Problem{Where: InLake, File: f.Path, What: err.Error()})
		if _, err := a.tx.Exec(ctx, `DELETE FROM staged WHERE n = $1`, n); err != nil {
			return err
		}
		check = fileCheck{file: f}
		if s, ok := a.w.source.(Salvager); ok {
			err := s.Salvage(ctx, f, take)
			if stopped = errors.Join(stopped, ctx.Err()); stopped != nil {
				return stopped
			}
			_ = err // it was told that the file is damaged
		}
	}
	a.found.Lake.add(check.tally)
	for _, what := range check.problems() {
		a.found.Add(Problem{Where: InLake, File: f.Path, What: what})
	}
	return nil
}

// stage copies rows of file n.
func (a *dayAuditor) stage(ctx context.Context, n int, rows []payment.Row) error {
	a.buf = append(a.buf[:0], copyHeader...)
	for i := range rows {
		row := storable(rows[i])
		a.buf = appendTuple(a.buf, n, &row)
	}
	a.buf = append(a.buf, copyTrailer...)
	if _, err := a.tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(a.buf), copyStaged); err != nil {
		return fmt.Errorf("copy %d rows to compare: %w", len(rows), err)
	}
	return nil
}

// storable is r with what no text or time of PostgreSQL can hold changed. Such a row is in bronze.rejected.
func storable(r payment.Row) payment.Row {
	clean := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD") }
	for _, s := range []*string{&r.TransactionID, &r.Status, &r.Currency, &r.CustomerID, &r.MerchantID, &r.PaymentMethod} {
		*s = clean(*s)
	}
	for _, s := range []**string{&r.CustomerEmail, &r.MerchantCategory, &r.DeviceType, &r.IPAddress, &r.City, &r.Country, &r.Extra} {
		if *s != nil {
			c := clean(**s)
			*s = &c
		}
	}
	for _, at := range []*int64{&r.EventTime, &r.InitiatedAt, &r.KafkaTimestamp, &r.IngestionTimestamp} {
		*at = max(*at, earliestTime)
	}
	return r
}

// twice looks for offsets that the day's files have more than once.
func (a *dayAuditor) twice(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, `
		SELECT topic_id, kafka_partition, kafka_offset, count(*), string_agg(DISTINCT path, ', ') FROM staged JOIN audited USING (n)
		GROUP BY topic_id, kafka_partition, kafka_offset HAVING count(*) > 1 ORDER BY 1, 2, 3`)
	if err != nil {
		return fmt.Errorf("look for offsets that are in the lake twice: %w", err)
	}
	var (
		topicID   string
		partition int32
		offset, n int64
		files     string
	)
	_, err = pgx.ForEachRow(rows, []any{&topicID, &partition, &offset, &n, &files}, func() error {
		a.found.Add(onRecord(InLake, topicID, partition, offset, fmt.Sprintf("the lake has it %d times, in %s", n, files)))
		return nil
	})
	return err
}

func onRecord(where Place, topicID string, partition int32, offset int64, what string) Problem {
	return Problem{Where: where, TopicID: topicID, Partition: &partition, Offset: &offset, What: what}
}

// kind is the columns of a sighting, in the statements' order.
func (s *sighting) kind() []any {
	return []any{&s.lake, &s.bronze, &s.rejected, &s.loaded, &s.loadDue, &s.replaced, &s.dropped, &s.same, &s.event, &s.gold, &s.goldSame, &s.built, &s.buildDue}
}

// count judges each kind of sighting, and fills the books.
func (a *dayAuditor) count(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, auditGroupsSQL)
	if err != nil {
		return fmt.Errorf("add up what was seen: %w", err)
	}
	var (
		s             sighting
		records       int64
		inLake, b, g  *string
		lakeSum, bSum string
		gSum          string
	)
	wrong := map[sighting]int64{}
	if _, err := pgx.ForEachRow(rows, append(s.kind(), &inLake, &b, &g, &records, &lakeSum, &bSum, &gSum), func() error {
		fate, _, what := judge(s)
		if what != "" {
			wrong[s] += records
		}
		return a.book(s, fate, records, [3]*string{inLake, b, g}, [3]string{lakeSum, bSum, gSum})
	}); err != nil {
		return fmt.Errorf("add up what was seen: %w", err)
	}
	for s, n := range wrong {
		if err := a.name(ctx, s, n); err != nil {
			return err
		}
	}
	slices.SortStableFunc(a.found.Problems, compareProblems)
	return a.countDropped(ctx)
}

// countDropped compares how many records of the day are taken to have been dropped from bronze with how many were.
func (a *dayAuditor) countDropped(ctx context.Context) error {
	var dropped int64
	if err := a.tx.QueryRow(ctx, `SELECT coalesce(sum(rows + superseded), 0)::bigint FROM metadata.bronze_expired WHERE day = $1`, a.req.Day.Start()).
		Scan(&dropped); err != nil {
		return fmt.Errorf("count what was dropped: %w", err)
	}
	if n := a.found.Expired.Records; n > dropped {
		a.found.Add(Problem{Where: InBronze, What: fmt.Sprintf("%d records of %s before what is kept are not in bronze, %d were dropped", n, a.req.Day, dropped)})
	}
	return nil
}

// book adds records of one kind and currencies to the books that they belong to.
func (a *dayAuditor) book(s sighting, what fate, records int64, currencies [3]*string, sums [3]string) error {
	add := func(to *Tally, sign int64, side int) error {
		sum, ok := new(big.Int).SetString(sums[side], 10)
		if !ok || currencies[side] == nil {
			return fmt.Errorf("sum %q of %v", sums[side], s)
		}
		to.count(sign*records, *currencies[side], sum.Mul(sum, big.NewInt(sign)))
		return nil
	}
	const ofLake, ofBronze, ofGold = 0, 1, 2
	var errs []error
	if s.bronze && what != unloaded && what != unremoved {
		errs = append(errs, add(&a.found.Bronze, 1, ofBronze))
	}
	if s.gold == itself && (what == unloaded || what == unbuilt || what == unremoved) { // Gold has it as it was: goldAlone counts it
		errs = append(errs, add(&a.found.Gold, -1, ofGold))
	}
	switch what {
	case duplicate:
		errs = append(errs, add(&a.found.Duplicates, 1, ofLake))
	case rejected:
		errs = append(errs, add(&a.found.Rejected, 1, ofLake))
	case expired:
		errs = append(errs, add(&a.found.Expired, 1, ofLake))
	case unloaded:
		errs = append(errs, add(&a.found.Unloaded, 1, ofLake))
	case superseded:
		errs = append(errs, add(&a.found.Superseded, 1, ofBronze))
	case unbuilt:
		errs = append(errs, add(&a.found.Unbuilt, 1, ofBronze))
	case unremoved:
		if s.bronze {
			errs = append(errs, add(&a.found.Unremoved, 1, ofBronze))
		} else {
			a.found.Unremoved.Records += records
		}
	}
	return errors.Join(errs...)
}

// name tells which n records are of a kind that is wrong.
func (a *dayAuditor) name(ctx context.Context, s sighting, n int64) error {
	_, where, what := judge(s)
	rows, err := a.tx.Query(ctx, auditKindSQL, append(s.kind(), MaxProblems)...)
	if err != nil {
		return fmt.Errorf("name what is wrong: %w", err)
	}
	var (
		topicID, path string
		partition     int32
		offset        int64
		sides         [3]map[string]any
		texts         [3][]byte
	)
	_, err = pgx.ForEachRow(rows, []any{&topicID, &partition, &offset, &path, &texts[0], &texts[1], &texts[2]}, func() error {
		for i := range sides {
			sides[i] = nil
			if texts[i] == nil {
				continue
			}
			d := json.NewDecoder(bytes.NewReader(texts[i]))
			d.UseNumber() // an amount is exact
			if err := d.Decode(&sides[i]); err != nil {
				return err
			}
		}
		p := onRecord(where, topicID, partition, offset, what)
		p.File = path
		switch {
		case where == InBronze && s.bronze && !s.same:
			p.What += differences("the lake", sides[0], "bronze", sides[1])
		case where == InGold && s.gold == itself:
			p.What += differences("bronze", sides[1], "Gold", sides[2])
		}
		a.found.Add(p)
		n--
		return nil
	})
	if err != nil {
		return fmt.Errorf("name what is wrong: %w", err)
	}
	a.found.Wrong += n // beyond those that were read
	return nil
}

// goldAlone counts Gold's payments of the day, and looks for those whose record is not in bronze.
func (a *dayAuditor) goldAlone(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, `
		SELECT currency, count(*), (sum(amount) * 100)::numeric(60, 0)::text FROM gold.fct_transactions WHERE processing_date = $1 GROUP BY currency`, a.req.Day.Start())
	if err != nil {
		return fmt.Errorf("count Gold: %w", err)
	}
	var (
		currency, sum string
		records       int64
	)
	add := func(sign int64) error {
		n, ok := new(big.Int).SetString(sum, 10)
		if !ok {
			return fmt.Errorf("sum %q of %s in Gold", sum, currency)
		}
		a.found.Gold.count(sign*records, currency, n.Mul(n, big.NewInt(sign)))
		return nil
	}
	if _, err := pgx.ForEachRow(rows, []any{&currency, &records, &sum}, func() error { return add(1) }); err != nil {
		return fmt.Errorf("count Gold: %w", err)
	}
	if rows, err = a.tx.Query(ctx, auditGoldSQL, a.req.Day.Start(), a.req.DAGID, a.req.RunID); err != nil {
		return fmt.Errorf("compare Gold with bronze: %w", err)
	}
	var (
		topicID   string
		partition int32
		offset    int64
		there     order
		built     bool
		changes   bool
	)
	records = 1
	_, err = pgx.ForEachRow(rows, []any{&topicID, &partition, &offset, &currency, &sum, &there, &built, &changes}, func() error {
		if changes || there == later && !built { // Gold will have another one, or none; or the record was dropped
			return add(-1)
		}
		a.found.Add(onRecord(InGold, topicID, partition, offset, "Gold has its payment's row of it, bronze has it not"))
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare Gold with bronze: %w", err)
	}
	return nil
}
