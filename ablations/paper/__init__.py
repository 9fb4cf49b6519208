"""What daVinci-LLM published, as data: tables and figures in long format (`results/*.csv`)."""
