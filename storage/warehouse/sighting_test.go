package warehouse

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

func TestJudge(t *testing.T) {
	// A record that is where it belongs, in Gold.
	well := sighting{lake: true, bronze: true, loaded: true, same: true, gold: itself, goldSame: true, built: true}
	with := func(change func(*sighting)) sighting { s := well; change(&s); return s }
	missing := with(func(s *sighting) { s.bronze, s.same, s.gold, s.goldSame, s.built = false, false, absent, false, false })
	lacking := func(change func(*sighting)) sighting { s := missing; change(&s); return s }
	for name, c := range map[string]struct {
		s     sighting
		fate  fate
		where Place
	}{
		"the payment's row":                      {well, inGold, ""},
		"superseded":                             {with(func(s *sighting) { s.gold, s.goldSame = later, false }), superseded, ""},
		"superseded before it was built":         {with(func(s *sighting) { s.gold, s.built = later, false }), superseded, ""},
		"not built":                              {with(func(s *sighting) { s.gold, s.built = absent, false }), unbuilt, ""},
		"not built, an earlier one in Gold":      {with(func(s *sighting) { s.gold, s.built = earlier, false }), unbuilt, ""},
		"not built, Gold has it as it was":       {with(func(s *sighting) { s.goldSame, s.built = false, false }), unbuilt, ""},
		"not built, and must be":                 {with(func(s *sighting) { s.gold, s.built, s.buildDue = absent, false, true }), unknown, InGold},
		"no row of the payment":                  {with(func(s *sighting) { s.gold = absent }), unknown, InGold},
		"an earlier record in Gold":              {with(func(s *sighting) { s.gold = earlier }), unknown, InGold},
		"Gold differs":                           {with(func(s *sighting) { s.goldSame = false }), unknown, InGold},
		"bronze differs":                         {with(func(s *sighting) { s.same = false }), unknown, InBronze},
		"bronze differs from what is to be read": {with(func(s *sighting) { s.same, s.loaded = false, false }), unloaded, ""},
		"bronze differs from what must be read":  {with(func(s *sighting) { s.same, s.loaded, s.loadDue = false, false, true }), unknown, InBronze},
		"in both":                                {with(func(s *sighting) { s.rejected = true }), unknown, InBronze},
		"rejected":                               {lacking(func(s *sighting) { s.rejected = true }), rejected, ""},
		"duplicate":                              {lacking(func(s *sighting) { s.event = later }), duplicate, ""},
		"duplicate of one not read":              {lacking(func(s *sighting) { s.event, s.loaded = later, false }), duplicate, ""},
		"the earlier one won":                    {lacking(func(s *sighting) { s.event = earlier }), unknown, InBronze},
		"an earlier one, this is not read":       {lacking(func(s *sighting) { s.event, s.loaded = earlier, false }), unloaded, ""},
		"missing in bronze":                      {missing, unknown, InBronze},
		"not loaded":                             {lacking(func(s *sighting) { s.loaded = false }), unloaded, ""},
		"not loaded, and must be":                {lacking(func(s *sighting) { s.loaded, s.loadDue = false, true }), unknown, InBronze},
		"bronze alone":                           {with(func(s *sighting) { s.lake = false }), unknown, InLake},
		"to be taken out":                        {with(func(s *sighting) { s.lake, s.loaded, s.replaced = false, false, true }), unremoved, ""},
		"to be taken out by now":                 {with(func(s *sighting) { s.lake, s.loaded, s.replaced, s.loadDue = false, false, true, true }), unknown, InLake},
		"rejected alone, to be taken out":        {sighting{rejected: true, replaced: true}, unremoved, ""},
		"dropped with its month":                 {lacking(func(s *sighting) { s.dropped = true }), expired, ""},
		"to be dropped with its month":           {with(func(s *sighting) { s.dropped = true }), inGold, ""},
		"of a dropped month, and not loaded":     {lacking(func(s *sighting) { s.dropped, s.loaded = true, false }), unloaded, ""},
		"rejected alone":                         {sighting{rejected: true}, unknown, InLake},
	} {
		fate, where, wrong := judge(c.s)
		if fate != c.fate || where != c.where || (wrong == "") != (where == "") {
			t.Errorf("%s: fate %d in %q (%s), want %d in %q", name, fate, where, wrong, c.fate, c.where)
		}
	}
}

func tallyOf(records int64, hundredths ...int64) Tally {
	var t Tally
	for i, h := range hundredths {
		t.count(0, []string{"INR", "USD"}[i], big.NewInt(h))
	}
	t.Records = records
	return t
}

func TestBalance(t *testing.T) {
	books := func() DayAudit {
		return DayAudit{
			Day: "2024-01-05", Topic: TopicCounts{Rows: 10, DeadLetters: 1}, Lake: tallyOf(10, 1000, 50), Bronze: tallyOf(6, 600, 50),
			Duplicates: tallyOf(2, 200), Rejected: tallyOf(1, 100), Unloaded: tallyOf(1, 100), Gold: tallyOf(3, 300, 50), Superseded: tallyOf(2, 200), Unbuilt: tallyOf(1, 100),
		}
	}
	for name, c := range map[string]struct {
		change func(*DayAudit)
		want   []string // in the problems, one each
	}{
		"balanced":                 {func(*DayAudit) {}, nil},
		"the log lists more":       {func(a *DayAudit) { a.Topic.Rows++ }, []string{"hold 10 rows, the log lists 11"}},
		"a duplicate too many":     {func(a *DayAudit) { a.Duplicates.Records++ }, []string{"10 records"}},
		"a cent in bronze":         {func(a *DayAudit) { a.Bronze.count(0, "USD", big.NewInt(1)) }, []string{"0.50 USD", "0.51 USD"}},
		"another currency in Gold": {func(a *DayAudit) { a.Gold = tallyOf(3, 350) }, []string{"6.00 INR", "0.50 USD"}},
		"a payment gone from Gold": {func(a *DayAudit) { a.Gold = tallyOf(2, 300) }, []string{"6 records", "0.50 USD"}},
	} {
		a := books()
		c.change(&a)
		a.balance()
		if int(a.Wrong) != len(c.want) || len(a.Problems) != len(c.want) {
			t.Errorf("%s: %v, want %v", name, a.Problems, c.want)
			continue
		}
		for i, p := range a.Problems {
			if !strings.Contains(p.What, c.want[i]) {
				t.Errorf("%s: %q, want %q in it", name, p.What, c.want[i])
			}
		}
	}
}

func TestTallyAsJSON(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	sum := tallyOf(3, -5, 0)
	sum.count(1, "EUR", huge)
	text, err := json.Marshal(sum)
	if want := `{"records":4,"amounts":{"EUR":"1234567890123456789012345678.90","INR":"-0.05","USD":"0.00"}}`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
	var back Tally
	if err := json.Unmarshal(text, &back); err != nil || back.Records != 4 || back.in("EUR").Cmp(huge) != 0 || back.in("INR").Int64() != -5 {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"amounts":{"INR":"1.001"}}`), &back); err == nil {
		t.Error("a thousandth was taken")
	}
}

func TestFileCheck(t *testing.T) {
	day := lake.Day("2024-01-05")
	at := day.Start().UnixMicro()
	rows := []payment.Row{
		{Currency: "INR", Amount: 100, KafkaPartition: 0, KafkaOffset: 10, KafkaTimestamp: at},
		{Currency: "INR", Amount: 200, KafkaPartition: 1, KafkaOffset: 5, KafkaTimestamp: day.End().UnixMicro() - 1},
	}
	file := lake.File{Day: day, Rows: 2, Parts: []lake.FilePart{{Partition: 0, Start: 10, End: 12, Rows: 1}, {Partition: 1, Start: 0, End: 6, Rows: 1}}}
	for name, c := range map[string]struct {
		change func([]payment.Row) []payment.Row
		want   []string
	}{
		"as committed":    {func(r []payment.Row) []payment.Row { return r }, nil},
		"one row less":    {func(r []payment.Row) []payment.Row { return r[:1] }, []string{"1 rows, the log says 2", "0 rows of partition 1"}},
		"offset astray":   {func(r []payment.Row) []payment.Row { r[0].KafkaOffset = 12; return r }, []string{"partition 0 offset 12"}},
		"partition of no": {func(r []payment.Row) []payment.Row { r[0].KafkaPartition = 7; return r }, []string{"0 rows of partition 0", "partition 7 offset 10"}},
		"the day after":   {func(r []payment.Row) []payment.Row { r[1].KafkaTimestamp++; return r }, []string{"of another day, as partition 1 offset 5"}},
	} {
		check := fileCheck{file: file}
		check.rows(c.change(slices.Clone(rows)))
		got := check.problems()
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], c.want[i])
			}
		}
	}
}

func TestDifferences(t *testing.T) {
	a := map[string]any{"amount": json.Number("12.30"), "city": "Pune", "customer_email": "a@b", "n": 1, "country": nil}
	b := map[string]any{"amount": json.Number("1230.00"), "city": "Pune", "customer_email": "c@d", "country": "IN"}
	if got, want := differences("the lake", a, "bronze", b), ": amount is 12.30 in the lake, 1230.00 in bronze, country, customer_email"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := differences("x", a, "y", a); got != "" {
		t.Error(got)
	}
}
