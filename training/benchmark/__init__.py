"""What is asked, who has to answer, and how well they did."""
