package produce

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/storage/payment"
)

// change is a change of state of a made-up payment, as it will come onto the topic.
type change struct {
	at      time.Time // the record's timestamp
	arrives time.Time // when it is produced: later than at where it comes out of order
	key     []byte
	value   []byte
}

// habits are how made-up payments behave. Shares are between 0 and 1.
type habits struct {
	failed, refunded, fraud, retried, late, disordered, broken float64
}

// usual are the habits of the sample: as many oddities as a busy payments topic has.
var usual = habits{failed: 0.07, refunded: 0.03, fraud: 0.02, retried: 0.008, late: 0.08, disordered: 0.02, broken: 0.003}

// market is where payments are made: a country with its cities and currency.
type market struct {
	country, currency string
	zone              *time.Location
	cities            []string
	typical           float64 // median amount
	weight            int
}

var markets = []market{
	{"IN", "INR", time.FixedZone("", 5*3600+1800), []string{"Mumbai", "Bengaluru", "Delhi", "Pune", "Chennai"}, 450, 10},
	{"US", "USD", time.FixedZone("", -5*3600), []string{"New York", "Austin", "Seattle"}, 32, 4},
	{"DE", "EUR", time.FixedZone("", 3600), []string{"Berlin", "München", "Köln"}, 28, 3},
	{"CH", "CHF", time.FixedZone("", 3600), []string{"Zürich", "Genève", "Basel"}, 41, 2},
	{"BR", "BRL", time.FixedZone("", -3*3600), []string{"São Paulo", "Recife"}, 95, 2},
	{"GB", "GBP", time.UTC, []string{"London", "Leeds"}, 24, 2},
}

var (
	methods    = []string{"UPI", "UPI", "CARD", "CARD", "NETBANKING", "WALLET"}
	categories = []string{"groceries", "travel", "food", "utilities", "fashion", "electronics", "health"}
	devices    = []string{"android", "android", "ios", "web"}
)

// maker makes payments from a seed.
type maker struct {
	rng    *rand.Rand
	habits habits
}

func newMaker(seed uint64, h habits) *maker {
	return &maker{rng: rand.New(rand.NewPCG(seed, 0x7061796d656e7473)), habits: h} //nolint:gosec // made-up data
}

func (m *maker) chance(share float64) bool { return m.rng.Float64() < share }

func choose[T any](m *maker, from []T) T { return from[m.rng.IntN(len(from))] }

func (m *maker) between(least, most time.Duration) time.Duration {
	return least + time.Duration(m.rng.Int64N(int64(most-least)))
}

// settlesAfter is how long a payment waits for its settlement: minutes, but for some hours and for some days.
func (m *maker) settlesAfter() time.Duration {
	switch {
	case m.chance(m.habits.late):
		return m.between(24*time.Hour, 72*time.Hour)
	case m.chance(0.1):
		return m.between(time.Hour, 12*time.Hour)
	}
	return time.Second + time.Duration(m.rng.ExpFloat64()*float64(4*time.Minute)).Truncate(time.Millisecond)
}

// payment makes all changes of one payment that begins at began, in the order in which they happen.
func (m *maker) payment(began time.Time) []change {
	began = began.Truncate(time.Millisecond)
	p := m.begin(began)
	all := m.report(nil, p, payment.StatusPending, began)
	settled := began.Add(m.settlesAfter().Truncate(time.Millisecond))
	if m.chance(m.habits.failed) {
		return m.report(all, p, payment.StatusFailed, settled)
	}
	all = m.report(all, p, payment.StatusSuccess, settled)
	if m.chance(m.habits.refunded) {
		all = m.report(all, p, payment.StatusRefunded, settled.Add(m.between(time.Hour, 96*time.Hour).Truncate(time.Millisecond)))
	}
	return all
}

// report adds the record of a change that happened at at; it may come late, twice or broken.
func (m *maker) report(all []change, p madeUp, status string, at time.Time) []change {
	c := change{key: []byte(p.id), value: m.record(p, status, at)}
	c.at = at.Add(m.between(50*time.Millisecond, 2*time.Second).Truncate(time.Millisecond))
	c.arrives = c.at
	if m.chance(m.habits.disordered) {
		c.arrives = c.at.Add(m.between(time.Second, 20*time.Minute))
	}
	if m.chance(m.habits.broken) {
		c.value = m.damage(c.value)
	}
	all = append(all, c)
	if m.chance(m.habits.retried) {
		c.arrives = c.arrives.Add(m.between(10*time.Millisecond, 5*time.Second))
		all = append(all, c)
	}
	return all
}

// madeUp is what all records of a payment share.
type madeUp struct {
	id, amount string
	market     market
	began      time.Time
	rest       []byte // the fields that no record changes, as JSON
}

func (m *maker) begin(began time.Time) madeUp {
	p := madeUp{id: m.uuid(), began: began, market: m.market()}
	cents := int64(math.Max(1, math.Exp(math.Log(p.market.typical)+m.rng.NormFloat64())*100))
	p.amount = payment.FormatAmount(cents)
	if m.chance(0.5) {
		p.amount = strconv.Quote(p.amount)
	}
	fraud := m.chance(m.habits.fraud)
	score := m.rng.Float64() * 0.5
	if fraud {
		score = 0.6 + m.rng.Float64()*0.4
	}
	p.rest = fmt.Appendf(nil, `"currency":%q,"customer_id":"c%05d","merchant_id":"m%04d","merchant_category":%q,"payment_method":%q,`+
		`"customer_email":"user%d@example.com","device_type":%q,"ip_address":"%d.%d.%d.%d","city":%q,"country":%q,"is_fraud":%t,"fraud_score":%.4f`,
		p.market.currency, m.rng.IntN(20_000), m.rng.IntN(200), choose(m, categories), choose(m, methods), m.rng.IntN(20_000), choose(m, devices),
		1+m.rng.IntN(223), m.rng.IntN(256), m.rng.IntN(256), m.rng.IntN(256), choose(m, p.market.cities), p.market.country, fraud, score)
	return p
}

func (m *maker) market() market {
	total := 0
	for _, c := range markets {
		total += c.weight
	}
	n := m.rng.IntN(total)
	for _, c := range markets {
		if n -= c.weight; n < 0 {
			return c
		}
	}
	return markets[0]
}

// uuid makes a random UUID (version 4).
func (m *maker) uuid() string {
	high, low := m.rng.Uint64(), m.rng.Uint64()
	high = high&^0xf000 | 0x4000
	low = low&^(3<<62) | 1<<63
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", high>>32, high>>16&0xffff, high&0xffff, low>>48, low&(1<<48-1))
}

const timeForm = "2006-01-02T15:04:05.000Z07:00"

func (m *maker) record(p madeUp, status string, at time.Time) []byte {
	where := time.UTC
	if m.chance(0.3) {
		where = p.market.zone
	}
	return fmt.Appendf(nil, `{"transaction_id":%q,"initiated_at":%q,"amount":%s,%s,"status":%q,"event_time":%q}`,
		p.id, p.began.UTC().Format(timeForm), p.amount, p.rest, status, at.In(where).Format(timeForm))
}

// damage breaks a record as producers do: cut short, of a wrong status, with a missing field, with bytes of another
// encoding, or of something else altogether.
func (m *maker) damage(value []byte) []byte {
	switch m.rng.IntN(5) {
	case 0:
		return value[:len(value)/2]
	case 1:
		return bytes.Replace(value, []byte(`"status":"`), []byte(`"status":"X`), 1)
	case 2:
		return bytes.Replace(value, []byte(`"currency"`), []byte(`"curency"`), 1)
	case 3:
		return bytes.Replace(value, []byte(`"city":"`), []byte("\"city\":\"\xfc"), 1)
	}
	return []byte("connection reset by peer")
}
