// Package secret holds values that nobody may see, and finds them where they must not be.
//
// A [Value] prints, logs and encodes as "***"; only [Value.Reveal] tells what it is. Values are made by a [Redactor] alone, so each of
// them is known to the one that keeps it: it masks them in text ([Redactor.Mask], [Redactor.Handler]) and finds them in what is to be
// stored ([Redactor.Find]), as they are and as they look in JSON, URLs, HTML, Go's quotes, base64 and hexadecimal (forms.go).
//
// It does not see what a program makes of a secret otherwise: reversed, cut into pieces, hashed or encrypted.
package secret
