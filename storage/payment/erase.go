package payment

// Erased stands for the customer in rows of customers who were erased.
const Erased = "erased"

// PersonColumn, Person and Erase make *Row what the lake can erase a person from.

// PersonColumn is the column of [Row.Person].
func (r *Row) PersonColumn() string { return "customer_id" }

// Person is the customer's id.
func (r *Row) Person() string { return r.CustomerID }

// Erase takes out what tells of the customer: id, e-mail, address, device, city and the fields that the contract does
// not know. The payment stays: its id, state, times, amount, currency, merchant and the merchant's category, method,
// country, fraud flag and score, the hash of its record and where that lay.
func (r *Row) Erase() {
	r.CustomerID = Erased
	r.CustomerEmail, r.IPAddress, r.DeviceType, r.City, r.Extra = nil, nil, nil, nil, nil
}
