package payment

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// The fields of the contract, in its order; the required ones come first. A field's number is its bit in decoder.seen.
const (
	transactionIDField = iota
	statusField
	eventTimeField
	initiatedAtField
	amountField
	currencyField
	customerIDField
	merchantIDField
	paymentMethodField
	requiredFields

	customerEmailField = iota - 1
	merchantCategoryField
	deviceTypeField
	ipAddressField
	cityField
	countryField
	isFraudField
	fraudScoreField
	knownFields
)

var fieldNames = [knownFields]string{
	"transaction_id", "status", "event_time", "initiated_at", "amount", "currency", "customer_id", "merchant_id",
	"payment_method", "customer_email", "merchant_category", "device_type", "ip_address", "city", "country", "is_fraud",
	"fraud_score",
}

// quotedNames are the names as JSON writes them.
var quotedNames = func() (all [knownFields]string) {
	for i, name := range fieldNames {
		all[i] = `"` + name + `"`
	}
	return all
}()

// fieldNumber returns a name's field, or -1 for a name that the contract does not know.
func fieldNumber(name string) int {
	switch name {
	case "transaction_id":
		return transactionIDField
	case "status":
		return statusField
	case "event_time":
		return eventTimeField
	case "initiated_at":
		return initiatedAtField
	case "amount":
		return amountField
	case "currency":
		return currencyField
	case "customer_id":
		return customerIDField
	case "merchant_id":
		return merchantIDField
	case "payment_method":
		return paymentMethodField
	case "customer_email":
		return customerEmailField
	case "merchant_category":
		return merchantCategoryField
	case "device_type":
		return deviceTypeField
	case "ip_address":
		return ipAddressField
	case "city":
		return cityField
	case "country":
		return countryField
	case "is_fraud":
		return isFraudField
	case "fraud_score":
		return fraudScoreField
	}
	return -1
}

// field takes one field of the object. Its text is raw, as it was sent.
func (d *decoder) field(name, rawName, raw string) *Violation {
	if n := fieldNumber(name); n >= 0 {
		return d.known(n, raw)
	}
	return d.unknown(name, rawName, raw)
}

// unknown takes a field that the contract does not know.
func (d *decoder) unknown(name, rawName, raw string) *Violation {
	if v := checkNested(name, raw); v != nil {
		return v
	}
	d.extra.add(rawName, raw)
	return nil
}

// known takes a field of the contract.
func (d *decoder) known(n int, raw string) *Violation {
	name := fieldNames[n]
	if raw == "null" {
		if n < requiredFields {
			return broken(name, "is null but required")
		}
		return nil
	}
	d.seen |= 1 << n
	switch n {
	case amountField:
		return d.amount(raw)
	case isFraudField:
		if raw != "true" && raw != "false" {
			return broken(name, "is not a boolean")
		}
		d.row.IsFraud = raw == "true"
		return nil
	case fraudScoreField:
		return d.fraudScore(raw)
	}
	if raw[0] != '"' {
		return broken(name, "is not a string")
	}
	text, v := d.unquote(name, raw)
	if v != nil {
		return v
	}
	return d.textField(n, text)
}

// textField takes a field whose type is string.
func (d *decoder) textField(n int, text string) *Violation {
	name, row := fieldNames[n], d.row
	switch n {
	case transactionIDField:
		id, ok := lowerUUID(text)
		if !ok {
			return broken(name, "is not a UUID of 8-4-4-4-12 hex digits: "+quoted(text))
		}
		row.TransactionID = id
	case statusField:
		if StatusRank(text) < 0 {
			return broken(name, "is not PENDING, SUCCESS, FAILED or REFUNDED: "+quoted(text))
		}
		row.Status = text
	case eventTimeField:
		return timeField(name, text, &row.EventTime)
	case initiatedAtField:
		return timeField(name, text, &row.InitiatedAt)
	case currencyField:
		if !isCurrency(text) {
			return broken(name, "is not three letters A to Z: "+quoted(text))
		}
		row.Currency = text
	case customerIDField:
		row.CustomerID = text
		return checkLength(name, text)
	case merchantIDField:
		row.MerchantID = text
		return checkLength(name, text)
	case paymentMethodField:
		switch text {
		case "UPI", "CARD", "NETBANKING", "WALLET":
			row.PaymentMethod = text
		default:
			return broken(name, "is not UPI, CARD, NETBANKING or WALLET: "+quoted(text))
		}
	default:
		d.optionalText(n, text)
	}
	return nil
}

func (d *decoder) amount(raw string) *Violation {
	var err error
	switch {
	case raw[0] == '"':
		text, v := d.unquote("amount", raw)
		if v != nil {
			return v
		}
		d.row.Amount, err = ParseAmountText(text)
	case isNumber(raw):
		d.row.Amount, err = ParseAmountNumber(raw)
	default:
		return broken("amount", "is neither a number nor a string")
	}
	if err != nil {
		return broken("amount", err.Error()+": "+quoted(raw))
	}
	return nil
}

// fraudScore takes the score as the nearest double, which is also what the bounds are compared with.
func (d *decoder) fraudScore(raw string) *Violation {
	if !isNumber(raw) {
		return broken("fraud_score", "is not a number")
	}
	score, err := strconv.ParseFloat(raw, 64)
	if err != nil || !(score >= 0 && score <= 1) {
		return broken("fraud_score", "does not lie between 0 and 1: "+quoted(raw))
	}
	opt := d.optionals()
	opt.score = math.Abs(score) // -0 is 0
	d.row.FraudScore = &opt.score
	return nil
}

func (d *decoder) optionals() *optionals {
	if d.opt == nil {
		if len(d.spare) == 0 {
			d.spare = make([]optionals, sparesAtOnce)
		}
		d.opt, d.spare = &d.spare[0], d.spare[1:]
	}
	return d.opt
}

func (d *decoder) optionalText(n int, text string) {
	place := &d.optionals().texts[n-customerEmailField]
	*place = text
	switch n {
	case customerEmailField:
		d.row.CustomerEmail = place
	case merchantCategoryField:
		d.row.MerchantCategory = place
	case deviceTypeField:
		d.row.DeviceType = place
	case ipAddressField:
		d.row.IPAddress = place
	case cityField:
		d.row.City = place
	case countryField:
		d.row.Country = place
	}
}

func timeField(name, text string, into *int64) *Violation {
	at, err := ParseTime(text)
	if err != nil {
		return broken(name, err.Error()+": "+quoted(text))
	}
	*into = at
	return nil
}

func checkLength(name, text string) *Violation {
	if text == "" {
		return broken(name, "is empty")
	}
	if len(text) > 64 && utf8.RuneCountInString(text) > 64 {
		return broken(name, "is longer than 64 characters")
	}
	return nil
}

func isNumber(raw string) bool {
	return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'
}

func isCurrency(text string) bool {
	if len(text) != 3 {
		return false
	}
	for i := 0; i < 3; i++ {
		if text[i] < 'A' || text[i] > 'Z' {
			return false
		}
	}
	return true
}

// What a character is in a UUID: hex digits of either case, and anything else.
const (
	hexLower = 1 << iota
	hexUpper
	hexNot
)

// hexClass is by character.
var hexClass = func() (class [256]byte) {
	for c := range class {
		switch {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			class[c] = hexLower
		case c >= 'A' && c <= 'F':
			class[c] = hexUpper
		default:
			class[c] = hexNot
		}
	}
	return class
}()

// lowerUUID checks the form of a UUID and returns it in lower case; without upper case letters it is text itself.
func lowerUUID(text string) (string, bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return "", false
	}
	found := hexClasses(text[:8]) | hexClasses(text[9:13]) | hexClasses(text[14:18]) | hexClasses(text[19:23]) | hexClasses(text[24:36])
	if found&hexNot != 0 {
		return "", false
	}
	if found&hexUpper == 0 {
		return text, true
	}
	lower := []byte(text)
	for i, c := range lower {
		if c >= 'A' && c <= 'F' {
			lower[i] = c + ('a' - 'A')
		}
	}
	return string(lower), true
}

// hexClasses are the classes that occur in a text whose length is a multiple of four.
func hexClasses(text string) (found byte) {
	for ; len(text) >= 4; text = text[4:] {
		found |= hexClass[text[0]] | hexClass[text[1]] | hexClass[text[2]] | hexClass[text[3]]
	}
	return found
}
