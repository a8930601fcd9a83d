package warehouse

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// Tally counts records and sums up their amounts, exactly. The zero value is empty.
type Tally struct {
	Records int64
	amounts map[string]*big.Int // by currency, in hundredths
}

// Amounts is the sum per currency as decimal text.
func (t Tally) Amounts() map[string]string {
	out := make(map[string]string, len(t.amounts))
	for currency, sum := range t.amounts {
		out[currency] = decimal(sum)
	}
	return out
}

// MarshalJSON gives {"records": 2, "amounts": {"INR": "24.60"}}.
func (t Tally) MarshalJSON() ([]byte, error) {
	return json.Marshal(tallyJSON{t.Records, t.Amounts()})
}

// UnmarshalJSON takes what MarshalJSON gives.
func (t *Tally) UnmarshalJSON(text []byte) error {
	var j tallyJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*t = Tally{Records: j.Records}
	for currency, sum := range j.Amounts {
		r, ok := new(big.Rat).SetString(sum)
		if ok {
			r.Mul(r, big.NewRat(100, 1))
		}
		if !ok || !r.IsInt() {
			return fmt.Errorf("amount %q of %s is no decimal with two places", sum, currency)
		}
		t.count(0, currency, r.Num())
	}
	return nil
}

type tallyJSON struct {
	Records int64             `json:"records"`
	Amounts map[string]string `json:"amounts"`
}

// count adds records whose amounts, of one currency, add up to hundredths.
func (t *Tally) count(records int64, currency string, hundredths *big.Int) {
	t.Records += records
	if t.amounts == nil {
		t.amounts = map[string]*big.Int{}
	}
	sum, ok := t.amounts[currency]
	if !ok {
		sum = new(big.Int)
		t.amounts[currency] = sum
	}
	sum.Add(sum, hundredths)
}

func (t *Tally) add(o Tally) {
	t.Records += o.Records
	for currency, sum := range o.amounts {
		t.count(0, currency, sum)
	}
}

func (t Tally) in(currency string) *big.Int {
	if sum, ok := t.amounts[currency]; ok {
		return sum
	}
	return new(big.Int)
}

// currencies are those of either, in order.
func (t Tally) currencies(o Tally) []string {
	all := map[string]bool{}
	for _, of := range []map[string]*big.Int{t.amounts, o.amounts} {
		for currency := range of {
			all[currency] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
