package warehouse

import (
	"context"
	"fmt"
	"math/big"

	"github.com/tidemill/tidemill/storage/lake"
)

// MaxProblems bounds how many problems a [DayAudit] tells; Wrong counts them all.
const MaxProblems = 1000

// AuditRequest says which day to audit. The zero values of the other fields let everything wait that is not done yet.
type AuditRequest struct {
	Day lake.Day
	// DAGID and RunID name the run whose loads must be in Gold by now.
	DAGID, RunID string
	// Through is the entry of the lake's log up to which every file of the day must be loaded by now.
	Through int64
}

// DayAudit follows the records of one lake day from the topic to Gold. Of a sound day
//
//	Topic.Rows = Lake = Bronze + Duplicates + Rejected + Expired + Unloaded
//	Bronze     = Gold + Superseded + Unbuilt
//
// in records and, for each currency, in amounts.
type DayAudit struct {
	Day   lake.Day    `json:"day"`
	Topic TopicCounts `json:"topic"`
	// Lake is what the day's files hold.
	Lake Tally `json:"lake"`
	// Bronze is what bronze has of the day, Duplicates the records that another one of their event stands for, and
	// Rejected those that the database refused. Unloaded is what no load has brought yet.
	Bronze     Tally `json:"bronze"`
	Duplicates Tally `json:"duplicates"`
	Rejected   Tally `json:"rejected"`
	// Expired is what was dropped from bronze with its month.
	Expired  Tally `json:"expired"`
	Unloaded Tally `json:"unloaded"`
	// Gold is the payments whose last record is of the day, Superseded the records of bronze whose payment has a later
	// one. Unbuilt is what dbt has not built yet.
	Gold       Tally `json:"gold"`
	Superseded Tally `json:"superseded"`
	Unbuilt    Tally `json:"unbuilt"`
	// Unremoved is what bronze has of files that a replay has replaced, and that no load has taken out yet: in no sum.
	Unremoved Tally `json:"unremoved"`
	// Wrong counts the problems, of which Problems has the first [MaxProblems].
	Wrong    int64     `json:"wrong"`
	Problems []Problem `json:"problems"`
}

// TopicCounts is what became of the topic's records of the day, by the lake's commit log: it accounts for every offset.
type TopicCounts struct {
	Rows        int64 `json:"rows"`
	DeadLetters int64 `json:"dead_letters"`
	Tombstones  int64 `json:"tombstones"`
}

// Records is all of them.
func (t TopicCounts) Records() int64 { return t.Rows + t.DeadLetters + t.Tombstones }

// Place names where a problem was found.
type Place string

// The places.
const (
	InTopic  Place = "topic"
	InLake   Place = "lake"
	InBronze Place = "bronze"
	InGold   Place = "gold"
)

// Problem is one thing that is wrong: with a record, which TopicID, Partition and Offset name, or with a file.
type Problem struct {
	Where     Place  `json:"where"`
	TopicID   string `json:"topic_id,omitempty"`
	Partition *int32 `json:"partition,omitempty"`
	Offset    *int64 `json:"offset,omitempty"`
	File      string `json:"file,omitempty"`
	What      string `json:"what"`
}

func (p Problem) String() string {
	of := ""
	if p.Partition != nil && p.Offset != nil {
		of = fmt.Sprintf(" topic id %s partition %d offset %d", p.TopicID, *p.Partition, *p.Offset)
	}
	if p.File != "" {
		of += " file " + p.File
	}
	return fmt.Sprintf("%s:%s: %s", p.Where, of, p.What)
}

// Sound says that nothing is wrong: what is not done yet may wait.
func (a DayAudit) Sound() bool { return a.Wrong == 0 }

// Clean says that every record of the day has come to its end.
func (a DayAudit) Clean() bool { return a.Sound() && a.Waiting() == 0 }

// Waiting is how many records are not loaded, not built or not taken out yet.
func (a DayAudit) Waiting() int64 {
	return a.Unloaded.Records + a.Unbuilt.Records + a.Unremoved.Records
}

// Add notes a problem.
func (a *DayAudit) Add(p Problem) {
	a.Wrong++
	if len(a.Problems) < MaxProblems {
		a.Problems = append(a.Problems, p)
	}
}

// balance adds a problem for each sum of the books that does not add up. Each Tally was made by a count of its own.
func (a *DayAudit) balance() {
	if n := a.Topic.Rows; n != a.Lake.Records {
		a.Add(Problem{Where: InLake, What: fmt.Sprintf("the files of %s hold %d rows, the log lists %d", a.Day, a.Lake.Records, n)})
	}
	for _, step := range []struct {
		where Place
		whole Tally
		name  string
		parts []Tally
		sum   string
	}{
		{InBronze, a.Lake, "the lake", []Tally{a.Bronze, a.Duplicates, a.Rejected, a.Expired, a.Unloaded}, "bronze + duplicates + rejected + dropped + not loaded yet"},
		{InGold, a.Bronze, "bronze", []Tally{a.Gold, a.Superseded, a.Unbuilt}, "Gold + superseded + not built yet"},
	} {
		sum := Tally{}
		for _, p := range step.parts {
			sum.add(p)
		}
		if step.whole.Records != sum.Records {
			a.Add(Problem{Where: step.where, What: fmt.Sprintf("%s has %d records of %s, %s %d", step.name, step.whole.Records, a.Day, step.sum, sum.Records)})
		}
		for _, currency := range step.whole.currencies(sum) {
			if one, other := step.whole.in(currency), sum.in(currency); one.Cmp(other) != 0 {
				a.Add(Problem{Where: step.where, What: fmt.Sprintf("%s has %s %s of %s, %s %s", step.name, decimal(one), currency, a.Day, step.sum, decimal(other))})
			}
		}
	}
}

// AuditDay follows each record of a day from the lake through bronze into Gold, offset by offset and column by column,
// and adds up the books. It reads what the day has, by index, and nothing of any other; what it needs to compare lies in
// temporary tables. The database is seen as of one moment; what the lake commits after it waits.
//
// What is wrong is told in the result. The error is for an audit that could not be done.
func (w *Warehouse) AuditDay(ctx context.Context, req AuditRequest) (DayAudit, error) {
	if _, err := lake.ParseDay(string(req.Day)); err != nil {
		return DayAudit{}, fmt.Errorf("audit: %w", err)
	}
	a := dayAuditor{w: w, req: req, found: DayAudit{Day: req.Day, Problems: []Problem{}}}
	if err := a.run(ctx); err != nil {
		return DayAudit{}, fmt.Errorf("audit %s: %w", req.Day, err)
	}
	a.found.balance()
	return a.found, nil
}

// decimal is an amount in hundredths as text.
func decimal(hundredths *big.Int) string {
	sign, digits := "", hundredths.String()
	if hundredths.Sign() < 0 {
		sign, digits = "-", digits[1:]
	}
	for len(digits) < 3 {
		digits = "0" + digits
	}
	return sign + digits[:len(digits)-2] + "." + digits[len(digits)-2:]
}
