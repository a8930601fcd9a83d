package payment

import (
	"errors"
	"strconv"
	"strings"
)

const (
	// maxExponent is how far the exponent of a JSON number may go in an amount.
	maxExponent = 40
	// hundredthsDigits is how many digits an amount has at most: 16 before the point and 2 after it.
	hundredthsDigits = 18
)

var (
	errAmountNegative = errors.New("is negative")
	errAmountDecimals = errors.New("has a third decimal that is not zero")
	errAmountTooLarge = errors.New("has more than 16 digits before the point")
	errAmountExponent = errors.New("has an exponent beyond 40")
	errAmountText     = errors.New("is not a decimal: up to 16 digits, then a point and up to 2 decimals")
	errAmountNumber   = errors.New("is not a number")
)

var pow10 = [hundredthsDigits]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17}

// ParseAmountText reads an amount that was sent as a string, by the contract's pattern: 1 to 16 digits, then optionally
// a point and 1 or 2 decimals, then zeros; no sign, no exponent. It returns hundredths.
func ParseAmountText(text string) (int64, error) {
	point := len(text)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '.' && point == len(text) {
			point = i
		} else if c < '0' || c > '9' {
			return 0, errAmountText
		}
	}
	if point == 0 || point > 16 || point == len(text)-1 {
		return 0, errAmountText
	}
	return hundredths(text, point, 0)
}

// ParseAmountNumber reads an amount that was sent as a JSON number: any number of JSON's grammar that is ≥ 0, below
// 10^16, and has no third decimal other than zero once its exponent (within ±40) is applied. It returns hundredths;
// minus zero is zero. No float is involved.
func ParseAmountNumber(number string) (int64, error) {
	digits, negative := number, false
	if digits != "" && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	exponent := 0
	if e := strings.IndexAny(digits, "eE"); e >= 0 {
		var err error
		if exponent, err = parseExponent(digits[e+1:]); err != nil {
			return 0, err
		}
		digits = digits[:e]
	}
	point := len(digits)
	for i := 0; i < len(digits); i++ {
		if digits[i] == '.' && point == len(digits) {
			point = i
		} else if digits[i] < '0' || digits[i] > '9' {
			return 0, errAmountNumber
		}
	}
	if point == 0 || point == len(digits)-1 {
		return 0, errAmountNumber
	}
	amount, err := hundredths(digits, point, exponent)
	if negative && (err != nil || amount != 0) {
		return 0, errAmountNegative
	}
	return amount, err
}

// parseExponent reads what follows the e of a JSON number. Leading zeros do not count.
func parseExponent(text string) (int, error) {
	sign := 1
	if text != "" && (text[0] == '+' || text[0] == '-') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	if text == "" {
		return 0, errAmountNumber
	}
	e, beyond := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, errAmountNumber
		}
		if e = e*10 + int(c-'0'); e > maxExponent {
			beyond, e = true, maxExponent
		}
	}
	if beyond {
		return 0, errAmountExponent
	}
	return sign * e, nil
}

// hundredths adds up digits, which hold decimal digits and at most one point, at index point (or len(digits) without
// one), times 10^exponent.
func hundredths(digits string, point, exponent int) (int64, error) {
	var sum int64
	place := point + exponent + 1 // of the first digit: its power of ten in hundredths
	for i := 0; i < len(digits); i++ {
		if digits[i] == '.' {
			continue
		}
		if d := int64(digits[i] - '0'); d != 0 {
			if place >= hundredthsDigits {
				return 0, errAmountTooLarge
			}
			if place < 0 {
				return 0, errAmountDecimals
			}
			sum += d * pow10[place]
		}
		place--
	}
	return sum, nil
}

// FormatAmount returns hundredths as a decimal with two places: 1230 is "12.30", -5 is "-0.05".
func FormatAmount(hundredths int64) string {
	return string(AppendAmount(nil, hundredths))
}

// AppendAmount appends what FormatAmount returns to dst.
func AppendAmount(dst []byte, hundredths int64) []byte {
	magnitude := uint64(hundredths)
	if hundredths < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	dst = strconv.AppendUint(dst, magnitude/100, 10)
	rest := byte(magnitude % 100)
	return append(dst, '.', '0'+rest/10, '0'+rest%10)
}
