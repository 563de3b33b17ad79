-- migrate:up
-- One index for each kind of statement, in the order in which it is read: whoever has nothing to be returned reads nothing.
DROP INDEX bank.lines_of_payee, bank.lines_of_payer;
CREATE INDEX lines_paid_in ON bank.lines (payee, line_no) WHERE kind = 'payment';
CREATE INDEX lines_returned_to ON bank.lines (payer, line_no) WHERE kind = 'returned';
