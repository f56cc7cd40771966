"""Tables that people fill in: factors, activity data and answers, in English and Japanese, as CSV or Excel."""
