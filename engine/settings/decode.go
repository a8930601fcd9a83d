package settings

import (
	"encoding"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// decode sets to from text, and says what is wrong with the text, without quoting it: it may be a secret in the wrong place. "" is well.
func decode(text string, to reflect.Value) (problem string) {
	t := to.Type()
	if u, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok && t.Kind() != reflect.Pointer {
		if u.UnmarshalText([]byte(text)) != nil {
			return "it is no " + t.String()
		}
		return ""
	}
	switch t {
	case urlType:
		return decodeURL(text, to)
	case durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return "it is no duration; give one such as 90s or 1h30m"
		}
		to.SetInt(int64(d))
		return ""
	}
	switch t.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(t.Elem()))
		return decode(text, to.Elem())
	case reflect.Slice:
		return decodeList(text, to)
	case reflect.String:
		to.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return "it is neither true nor false"
		}
		to.SetBool(b)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, t.Bits())
		if err != nil {
			return "it is no number that fits " + t.String()
		}
		to.SetFloat(n)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, t.Bits())
		if err != nil {
			return "it is no whole number that fits " + t.String()
		}
		to.SetInt(n)
	default: // unsigned: unfit has let nothing else through
		n, err := strconv.ParseUint(text, 10, t.Bits())
		if err != nil {
			return "it is no whole number, 0 or more, that fits " + t.String()
		}
		to.SetUint(n)
	}
	return ""
}

func decodeURL(text string, to reflect.Value) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return "it is no URL; give one such as https://host/path"
	}
	if _, has := u.User.Password(); has {
		return "it is a URL with a password, which would be seen; make the field a settings.Secret, or the password a setting of its own"
	}
	to.Set(reflect.ValueOf(*u))
	return ""
}

// decodeList sets a slice from items with commas between; spaces around items are no part of them.
func decodeList(text string, to reflect.Value) string {
	items := strings.Split(text, ",")
	list := reflect.MakeSlice(to.Type(), len(items), len(items))
	for i, item := range items {
		if problem := decode(strings.TrimSpace(item), list.Index(i)); problem != "" {
			return "item " + strconv.Itoa(i+1) + " of its list: " + problem
		}
	}
	to.Set(list)
	return ""
}
